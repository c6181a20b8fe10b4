"""A meal by two texts: `45 12x2 13 A1` is answered by what it costs, `OUI` within ten minutes orders it."""

from datetime import timedelta

from sqlalchemy import select

from channels.sms.exchange import Ask, Reply
from channels.sms.tables import incoming_sms
from core.errors import InvalidInput
from core.gsm import fold, shorten
from marketplace.catalogue import queries as catalogue
from marketplace.notifications.tables import outgoing_sms
from marketplace.ordering import carts
from marketplace.ordering import service as ordering
from marketplace.ordering.carts import Cart
from marketplace.ordering.errors import PlaceMissing
from marketplace.ordering.pricing import Line
from marketplace.places import queries as places
from marketplace.places.queries import Place

CHANNEL = "sms"
QUOTE = "sms.quote"
SENT = "sms.late.order_sent"
NAME_WIDTH = 14


async def quote(ask: Ask) -> Reply:
    """Restaurant, dishes with how many of each, and one of the saved places (the first, if none is named)."""
    restaurant = await catalogue.restaurant_by_number(ask.tx, number=int(ask.parts["restaurant"]))
    menu = {dish.number: dish.id for dish in await catalogue.dishes(ask.tx, restaurant_id=restaurant.id)}
    lines = []
    for wish in ask.parts["dishes"].split():
        number, _, quantity = wish.partition("x")
        if int(number) not in menu:
            raise InvalidInput(field="dish")
        lines.append(Line(menu[int(number)], int(quantity or 1)))
    place = await _place(ask, int(ask.parts.get("place", 0)))
    cart = await carts.save(
        ask.tx, person_id=ask.person.id, restaurant_id=restaurant.id, lines=lines, place=place, channel=CHANNEL
    )
    return _quoted(cart)


async def agree(ask: Ask) -> Reply:
    """`OUI`: order what was quoted last. The sender's number pays. Twice is the same order.

    What costs something else by now is quoted again: nobody agrees to another total unawares. Who has nothing to
    agree to may be a driver who forgot the number of the job.
    """
    cart = await _open_quote(ask)
    if cart is None or cart.quote is None:
        return Reply("sms.no_quote", changed=False)
    if cart.order_id is None and cart.quote.total_xaf != await _told_xaf(ask):
        return _quoted(cart)
    placed = await ordering.place(
        ask.tx,
        person_id=ask.person.id,
        cart_id=cart.cart_id,
        cart_version=cart.version,
        total_xaf=cart.quote.total_xaf,
        pay_with="mobile_money",
        channel=CHANNEL,
    )
    return Reply(SENT, {"number": placed.number, "total_xaf": placed.total_xaf})


async def _told_xaf(ask: Ask) -> int | None:
    """The total of the quote that was sent last, as its text says it."""
    told = (
        select(outgoing_sms.c.params["total_xaf"].as_integer())
        .select_from(incoming_sms.join(outgoing_sms, outgoing_sms.c.id == incoming_sms.c.reply_id))
        .where(incoming_sms.c.phone_index == ask.tx.keys.blind_index(ask.person.phone))
        .where(incoming_sms.c.received_at > ask.tx.now - timedelta(minutes=ask.tx.settings.quote_minutes))
        .where(outgoing_sms.c.text_key == QUOTE)
        .order_by(incoming_sms.c.received_at.desc(), incoming_sms.c.id.desc())
        .limit(1)
    )
    total_xaf: int | None = await ask.tx.value(told)
    return total_xaf


async def waits(ask: Ask) -> bool:
    """Whether there is a quote to agree to that is not ordered yet."""
    cart = await _open_quote(ask)
    return cart is not None and cart.order_id is None


async def _open_quote(ask: Ask) -> Cart | None:
    """What was quoted by SMS and may still be agreed to, or was and awaits its payment."""
    cart = await carts.open_cart(ask.tx, person_id=ask.person.id)
    life = timedelta(minutes=ask.tx.settings.quote_minutes)
    if cart is None or cart.quote is None or cart.channel != CHANNEL or cart.saved_at + life <= ask.tx.now:
        return None
    return cart


async def _place(ask: Ask, slot: int) -> Place:
    """The saved place of this number, or the first. Raises PlaceMissing."""
    saved = await places.saved_places(ask.tx, person_id=ask.person.id)
    wanted = [one.place for one in saved if slot in (0, one.slot)]
    if not wanted:
        raise PlaceMissing()
    return wanted[0]


def _quoted(cart: Cart) -> Reply:
    quote = cart.quote
    assert quote is not None, "a cart with a place has a quote"
    items = ", ".join(f"{line.quantity} {shorten(fold(line.name), NAME_WIDTH)}" for line in quote.lines)
    money = {"delivery_xaf": quote.delivery_xaf, "total_xaf": quote.total_xaf}
    return Reply(QUOTE, {"items": items, "place": quote.place_label, **money})
