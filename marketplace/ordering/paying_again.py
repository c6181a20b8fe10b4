"""Paying again for an order whose payment expired or failed: another prompt, with the customer's consent.

The first prompt may still be live. Whoever consents has read that one of two payments goes back at once; before that
nothing releases the first attempt (design: payments 9).
"""

from typing import Any
from uuid import UUID

from sqlalchemy import Row, select
from sqlalchemy.exc import IntegrityError

from core.database import Tx
from core.errors import NotFound
from core.ids import order_number
from marketplace.ordering import queries
from marketplace.ordering.errors import NumbersExhausted, PaymentPending
from marketplace.ordering.placing import NUMBER_TRIES, agree
from marketplace.ordering.queries import Order
from marketplace.ordering.tables import cart, customer_order
from marketplace.ordering.transitions import OrderRow, lock, move
from marketplace.promotions import service as promotions
from payments import service as payments
from payments.errors import NotRetryable
from payments.states import Failure

# What the same number would meet again. The rest the payer can mend, nobody has explained, or was a provider's fault:
# another prompt goes to whichever works by then.
_HOPELESS = (Failure.WRONG_NUMBER, Failure.UNSUPPORTED)


async def pay_again(tx: Tx, *, order_id: UUID, person_id: UUID, session_id: str | None = None) -> Order:
    """Prompt the payer once more for the total that was agreed. Calling this IS the customer's consent.

    The channel has told them before: if they also approve the first prompt, that money comes back at once.
    `session_id` is the USSD session whose end the prompt waits for, if there is one. The order may get another number.
    Raises WrongState, PaymentPending, CartExpired, PriceChanged, RestaurantClosed, DishUnavailable, NotFound, and what
    payments.retry raises.
    """
    draft = await _ordered_cart(tx, order_id, person_id)
    order = await _reopen(tx, order_id)
    today = await agree(tx, draft, draft.cart_version, order.total_xaf, order_id=order_id)
    if today.discount:
        await promotions.reserve(tx, order_id=order_id, person_id=person_id, discount=today.discount)
    owed = await payments.find(tx, reference=order_id)
    assert owed is not None, "an order that awaits its payment has one"
    if owed.failure in _HOPELESS:
        raise NotRetryable()
    await payments.retry(tx, payment_id=owed.id, session_id=session_id)
    return await queries.get(tx, order_id=order_id)


async def is_offered(tx: Tx, order: OrderRow, failure: Failure | None) -> bool:
    """Whether Track offers to pay this order again, and another prompt may do better than the one that failed."""
    if failure in _HOPELESS:
        return False
    tracked = await queries.tracked_orders(tx, person_id=order.person_id)
    return any(one.id == order.id for one in tracked)


async def _ordered_cart(tx: Tx, order_id: UUID, person_id: UUID) -> Row[Any]:
    """The cart that was ordered, locked before its order, as `place` does. Raises NotFound."""
    ordered = select(cart, customer_order.c.cart_version).join(customer_order, customer_order.c.cart_id == cart.c.id)
    mine = customer_order.c.id == order_id, customer_order.c.person_id == person_id
    row = await tx.first(ordered.where(*mine).with_for_update(of=cart))
    if row is None:
        raise NotFound()
    return row


async def _reopen(tx: Tx, order_id: UUID) -> OrderRow:
    """Awaiting its payment again; under another number if an open order has got the old one meanwhile."""
    order = await lock(tx, order_id)
    if order.state == "AWAITING_PAYMENT":
        raise PaymentPending(number=order.number)
    number = order.number
    for _ in range(NUMBER_TRIES):
        try:
            async with tx.attempt():
                changes = {"number": number}
                return await move(tx, order_id=order_id, to="AWAITING_PAYMENT", actor="customer", changes=changes)
        except IntegrityError:
            number = order_number()
    raise NumbersExhausted()
