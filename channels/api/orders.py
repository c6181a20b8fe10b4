"""Quotes and orders: the same use cases that USSD and SMS call."""

from uuid import UUID

import msgspec
from litestar import get, post
from litestar.params import FromPath, RequestBody
from litestar.status_codes import HTTP_200_OK

from channels.api.encoding import problems
from channels.api.idempotency import intention
from channels.api.inputs import PAGE_SIZE, IdempotencyKey, PageNumber, PageSize, TheCaller, TheDatabase, TheLimits
from channels.api.views import Consent, NewOrder, NewQuote, OrderView, Page, QuoteView, page_of, shown
from core.crypto import Keyring
from core.database import Database, Tx
from core.errors import InvalidInput
from core.phones import parse_phone
from core.sealed import reveal
from marketplace.catalogue import queries as catalogue
from marketplace.ordering import carts, queries, service
from marketplace.ordering.pricing import Extras, Line
from marketplace.ordering.queries import Order
from marketplace.people import pins
from marketplace.people.login import Identity
from marketplace.places.queries import Place

CHANNEL = "api"


@post("/quotes", responses=problems(401, 403, 404, 409))
async def make_quote(
    data: RequestBody[NewQuote], caller: TheCaller, database: TheDatabase, limits: TheLimits
) -> QuoteView:
    """What these dishes cost, brought to this place; good until `expires_at`."""
    if data.coupon:
        await limits.spend("auth", f"coupon:{caller.subject}")
    async with database.transaction() as tx:
        restaurant = await catalogue.restaurant_by_number(tx, number=data.restaurant)
        cart = await carts.save(
            tx,
            person_id=caller.subject,
            restaurant_id=restaurant.id,
            lines=await _lines(tx, restaurant.id, data),
            place=_place(database.keys, data),
            extras=Extras(tip_xaf=data.tip_xaf, deliver_at=data.deliver_at),
            channel=CHANNEL,
        )
        if data.coupon:
            cart = await carts.add_coupon(tx, person_id=caller.subject, cart_id=cart.cart_id, typed=data.coupon)
        return shown(await carts.quote(tx, cart_id=cart.cart_id), QuoteView)


async def _lines(tx: Tx, restaurant_id: UUID, data: NewQuote) -> list[Line]:
    """The lines by id. Raises InvalidInput for a number that is not on the menu."""
    menu = await catalogue.dishes(tx, restaurant_id=restaurant_id, available_only=False)
    ids = {dish.number: dish.id for dish in menu}
    if unknown := [line.dish for line in data.lines if line.dish not in ids]:
        raise InvalidInput(field="lines", dish=unknown[0])
    return [Line(dish_id=ids[line.dish], quantity=line.quantity) for line in data.lines]


def _place(keys: Keyring, data: NewQuote) -> Place:
    contact = data.place.contact_phone
    return Place(
        quarter_id=data.place.quarter_id,
        landmark_id=data.place.landmark_id,
        directions=data.place.directions,
        contact_phone=keys.encrypt(parse_phone(contact)) if contact else None,
    )


@post("/orders", responses=problems(401, 403, 404, 409))
async def place_order(
    data: RequestBody[NewOrder],
    caller: TheCaller,
    idempotency_key: IdempotencyKey,
    database: TheDatabase,
    limits: TheLimits,
) -> OrderView:
    """Order a quote. Paid from the wallet at once with the PIN, else a prompt goes to the payer's phone."""
    # The PIN is a proof, not a part of what is wanted: hashed along, a repetition would tell whether another is right.
    wanted = msgspec.structs.replace(data, pin=None)
    asked = intention(database.keys, caller.subject, idempotency_key, "orders", wanted)
    if answer := await asked.answered(database, OrderView):
        return answer
    await limits.spend("orders", str(caller.subject))
    if data.pay_with == "wallet":
        await _check_pin(data, caller, idempotency_key, database)
    async with database.transaction() as tx:
        return await asked.once(tx, lambda: _place_order(tx, data, caller), OrderView)


async def _check_pin(data: NewOrder, caller: Identity, idempotency_key: str, database: Database) -> None:
    if data.pin is None:
        raise InvalidInput(field="pin")
    attempt = f"api:{idempotency_key}"
    await pins.check_pin(database, person_id=caller.subject, pin=data.pin, attempt=attempt)


async def _place_order(tx: Tx, data: NewOrder, caller: Identity) -> OrderView:
    order = await service.place(
        tx,
        person_id=caller.subject,
        cart_id=data.cart_id,
        cart_version=data.cart_version,
        total_xaf=data.total_xaf,
        pay_with=data.pay_with,
        payer_phone=parse_phone(data.payer_phone) if data.payer_phone else None,
        channel=CHANNEL,
    )
    return shown(order, OrderView)


@post("/orders/{order_id:uuid}/pay-again", status_code=HTTP_200_OK, responses=problems(401, 403, 404, 409))
async def pay_again(
    order_id: FromPath[UUID],
    data: RequestBody[Consent],
    caller: TheCaller,
    idempotency_key: IdempotencyKey,
    database: TheDatabase,
    limits: TheLimits,
) -> OrderView:
    """Another prompt for an order that is PAYMENT_EXPIRED, while it can still be had as it was ordered.

    The first prompt may still be live. Show the customer before: "If you also approve the first one, we return it at
    once."; only then send `"consent": true`.
    """
    asked = intention(database.keys, caller.subject, idempotency_key, f"orders/{order_id}/pay-again", data)
    if answer := await asked.answered(database, OrderView):
        return answer
    if not data.consent:
        raise InvalidInput(field="consent")
    await limits.spend("payments", str(caller.subject))

    async def ask(tx: Tx) -> OrderView:
        return shown(await service.pay_again(tx, order_id=order_id, person_id=caller.subject), OrderView)

    async with database.transaction() as tx:
        return await asked.once(tx, lambda: ask(tx), OrderView)


@get("/orders", responses=problems(401, 403))
async def list_orders(
    caller: TheCaller,
    database: TheDatabase,
    page: PageNumber = 1,
    size: PageSize = PAGE_SIZE,
) -> Page[OrderView]:
    """The customer's orders, newest first."""
    async with database.reading() as tx:
        found = await queries.recent_orders(tx, person_id=caller.subject, limit=page * size + 1)
    return page_of([_with_code(order, database.keys) for order in found], page, size)


@get("/orders/{order_id:uuid}", responses=problems(401, 403, 404))
async def read_order(order_id: FromPath[UUID], caller: TheCaller, database: TheDatabase) -> OrderView:
    """Where an order stands, with the code for the driver once the meal is on its way."""
    async with database.reading() as tx:
        order = await queries.get(tx, order_id=order_id, person_id=caller.subject)
    return _with_code(order, database.keys)


@post("/orders/{order_id:uuid}/cancel", status_code=HTTP_200_OK, responses=problems(401, 403, 404, 409))
async def cancel_order(order_id: FromPath[UUID], caller: TheCaller, database: TheDatabase) -> OrderView:
    """Cancel, as far as it still can be (D18)."""
    async with database.transaction() as tx:
        await service.cancel(tx, order_id=order_id, person_id=caller.subject)
        order = await queries.get(tx, order_id=order_id, person_id=caller.subject)
    return _with_code(order, database.keys)


def _with_code(order: Order, keys: Keyring) -> OrderView:
    """The order with code and phone in plain digits: only at this edge, for the customer, and never stored so."""
    view = shown(order, OrderView)
    code, phone = (reveal(keys, sealed or "") or None for sealed in (view.delivery_code, view.driver_phone))
    return msgspec.structs.replace(view, delivery_code=code, driver_phone=phone)
