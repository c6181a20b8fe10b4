"""Ordering a meal: restaurant, dishes, place, confirmation. Six screens the first time, home included."""

from collections.abc import Sequence
from uuid import UUID

from core.database import Tx
from core.errors import GatewayError
from core.gsm import fold, shorten
from core.money import format_xaf
from core.remembered import remembered
from marketplace.catalogue import queries as catalogue
from marketplace.ordering import carts, scheduling
from marketplace.ordering import service as ordering
from marketplace.ordering.carts import Cart, Quote
from marketplace.ordering.pricing import Line
from marketplace.wallets import service as wallets
from menus_ussd.call import Call, End
from menus_ussd.journeys import told
from menus_ussd.journeys.choosing import choose_restaurant
from menus_ussd.journeys.extras import choose_extras
from menus_ussd.journeys.limits import within
from menus_ussd.journeys.payer import payer
from menus_ussd.journeys.pins import enter_pin
from menus_ussd.journeys.places import choose_place
from menus_ussd.questions import Menu, Name, Option


async def order(call: Call) -> End:
    """From the list of restaurants to the confirmation."""
    restaurant = await choose_restaurant(call)
    found = [Line(restaurant.dish, 1)] if restaurant.dish else None
    lines = found or await _dishes(call, restaurant.id, restaurant.name)
    cart = await call.draft(
        "order.cart",
        carts.save,
        person_id=call.person_id,
        restaurant_id=restaurant.id,
        lines=lines,
        place=None,
        channel="ussd",
    )
    return await finish(call, cart)


async def repeat(call: Call) -> End:
    """The last order once more, up to the confirmation."""
    cart = await call.draft("order.again", carts.repeat_last, person_id=call.person_id, channel="ussd")
    return await finish(call, cart)


async def finish(call: Call, cart: Cart) -> End:
    """From a cart to the order: the place if it is missing, then the confirmation."""
    if cart.place is None:
        place = await choose_place(call, cart.zone_id)
        cart = await call.draft(
            "order.cart",
            carts.save,
            person_id=call.person_id,
            restaurant_id=cart.restaurant_id,
            lines=cart.lines,
            place=place,
            cart_id=cart.cart_id,
            channel="ussd",
        )
    phone = await payer(call)
    repriced = False
    while True:
        choice = await _confirm(call, cart, repriced=repriced)
        if choice == "add":
            more = await _dishes(call, cart.restaurant_id, cart.restaurant_name)
            cart = await _save_again(call, cart, merged(cart.lines, more))
            continue
        if choice == "extras":
            chosen = await choose_extras(call, cart)
            if isinstance(chosen, End):
                return chosen
            cart = chosen
            continue
        if choice == "wallet":
            await enter_pin(call)
        try:
            return await _place(call, cart, choice, phone)
        except GatewayError as refusal:
            if refusal.code != "price_changed":
                raise
            cart, repriced = await _save_again(call, cart, cart.lines), True


async def _confirm(call: Call, cart: Cart, *, repriced: bool) -> str:
    """Items, fee and total, and how to pay; the wallet is offered when it holds enough.

    After a price has changed the page says so: nobody agrees to another total unawares.
    """
    quote = cart.quote
    assert quote is not None, "a cart with a place has a quote"
    balance = await call.look("order.balance", wallets.balance, person_id=call.person_id)
    options = [Option(call.say("ussd.option.mobile_money"), "mobile_money", digit="1")]
    if balance >= quote.total_xaf:
        options.append(Option(call.say("ussd.option.wallet", balance=format_xaf(balance)), "wallet", digit="2"))
    options.append(Option(call.say("ussd.option.add_dish"), "add", digit="3"))
    options.append(Option(call.say("ussd.option.extras"), "extras", digit="4"))

    def items(limit: int) -> str:
        return ", ".join(f"{line.quantity} {shorten(fold(line.name), limit)}" for line in quote.lines)

    choice: str = await call.confirm(
        "order.repriced" if repriced else "order.confirm",
        options,
        items=items,
        place=Name(quote.place_label),
        fee=_fee(call, cart, quote),
        total=format_xaf(quote.total_xaf),
    )
    return choice


def _fee(call: Call, cart: Cart, quote: Quote) -> str:
    """What comes on top of the dishes, what is taken off them, and when it comes if not at once."""
    parts = [format_xaf(quote.delivery_xaf)]
    if cart.extras.deliver_at:
        parts.append(scheduling.told(cart.extras.deliver_at))
    if quote.tip_xaf:
        parts.append(call.say("ussd.order.with_tip", tip=format_xaf(quote.tip_xaf)))
    if quote.discount_xaf:
        parts.append(call.say("ussd.order.less", discount=format_xaf(quote.discount_xaf)))
    return ", ".join(parts)


async def _place(call: Call, cart: Cart, pay_with: str, payer_phone: str) -> End:
    assert cart.quote is not None
    if cart.order_id is None:  # whoever confirms once more asks for nothing new
        await within(call, "orders")
    placed = await call.once(
        "order.place",
        ordering.place,
        told=told.ORDER_PAID if pay_with == "wallet" else told.ORDER_SENT,
        person_id=call.person_id,
        cart_id=cart.cart_id,
        cart_version=cart.version,
        total_xaf=cart.quote.total_xaf,
        pay_with=pay_with,
        payer_phone=payer_phone,
        channel="ussd",
        session_id=call.session_ref,
    )
    if pay_with == "wallet":
        return End("ussd.order.paid", {"number": placed.number, "total": format_xaf(placed.total_xaf)})
    return End("ussd.order.sent", {"number": placed.number, "total": format_xaf(placed.total_xaf)})


async def _save_again(call: Call, cart: Cart, lines: Sequence[Line]) -> Cart:
    """The same cart with other dishes, or at today's prices."""
    saved: Cart = await call.draft(
        "order.cart",
        carts.save,
        person_id=call.person_id,
        restaurant_id=cart.restaurant_id,
        lines=lines,
        place=cart.place,
        cart_id=cart.cart_id,
        channel="ussd",
        extras=cart.extras,
    )
    return saved


async def _dishes(call: Call, restaurant_id: UUID, restaurant_name: str) -> list[Line]:
    chosen = await call.basket("order.dishes", menu, restaurant_id, restaurant=Name(restaurant_name))
    return [Line(UUID(dish_id), quantity) for dish_id, quantity in chosen]


def merged(lines: Sequence[Line], more: Sequence[Line]) -> list[Line]:
    """Both lists as one, a dish that is in both with its quantities added."""
    quantities = {line.dish_id: line.quantity for line in lines}
    for line in more:
        quantities[line.dish_id] = quantities.get(line.dish_id, 0) + line.quantity
    return [Line(dish_id, quantity) for dish_id, quantity in quantities.items()]


@remembered
async def menu(tx: Tx, restaurant_id: UUID) -> Menu:
    """A restaurant's dishes of today."""
    dishes = await catalogue.dishes(tx, restaurant_id=restaurant_id)
    return Menu(Option(Name(dish.name), str(dish.id), suffix=f" {format_xaf(dish.price_xaf)}") for dish in dishes)
