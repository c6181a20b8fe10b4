"""The money of one order (spec/flows.md): into its escrow once, out of it once, to the franc.

From a wallet it is only reserved until the restaurant accepts (docs/decisions/0012): whoever cancels before has never
paid.

Every way out uses the same journal key, so the ledger itself refuses to settle an order twice or in two ways.
The journal is one, and the last act of its transaction: what a function writes beside it, it writes before.
"""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import select

from core.database import Tx
from ledger import chart, holds
from ledger.chart import Account
from ledger.errors import HoldClosed
from ledger.holds import Hold
from ledger.service import Leg, post
from marketplace.catalogue import service as catalogue
from marketplace.delivery.tables import delivery
from marketplace.loyalty import service as loyalty
from marketplace.ordering import messages
from marketplace.ordering.transitions import OrderRow, move
from marketplace.people import pin_resets
from marketplace.referrals import service as referrals
from marketplace.wallets import alerts

Share = tuple[Account, int]


# ---- the journals ----------------------------------------------------------------------------------------


async def reserve(tx: Tx, order: OrderRow) -> None:
    """Keep the total in the payer's wallet until the restaurant has answered.

    Raises InsufficientFunds, WalletResting.
    """
    await pin_resets.require_awake(tx, person_id=order.payer_id)
    await alerts.spending(tx, person_id=order.payer_id, amount_xaf=order.total_xaf)
    await holds.hold(
        tx,
        key=_reservation(order),
        kind="order_reserved",
        account=chart.wallet(order.payer_id),
        amount=order.total_xaf,
        expires_at=(order.offer_at or tx.now) + timedelta(hours=tx.settings.wallet_hold_hours),
    )


async def claim(tx: Tx, order: OrderRow) -> None:
    """The restaurant cooks: what is reserved moves, wallet -> escrow. (A collection's own journal funds the others.)

    Raises HoldClosed when nobody has answered for so long that it is free again.
    """
    reserved = await holds.find(tx, key=_reservation(order))
    if reserved is None:  # by mobile money, or from before reservations
        return
    leg = Leg(chart.wallet(order.payer_id), chart.escrow(order.id), order.total_xaf)
    key, about = f"order:{order.id}:fund", _about(order)
    await holds.capture(tx, hold_id=reserved.id, key=key, kind="order_funded", legs=[leg], metadata=about)


async def release(tx: Tx, order: OrderRow, *, beside: Sequence[Leg] = ()) -> None:
    """Everybody gets their part, as for a delivered order; the legs `beside` belong to the same journal."""
    driver_id = await tx.value(select(delivery.c.driver_id).where(delivery.c.order_id == order.id))
    fee = (chart.driver_payable(driver_id), order.driver_pay_xaf)
    margin = (chart.DELIVERY_INCOME, order.delivery_xaf - order.driver_pay_xaf)
    tip = (chart.driver_payable(driver_id), order.tip_xaf)
    shares = [*_food(order), fee, margin, tip]
    await _settle(tx, order, kind="order_released", shares=shares, beside=beside, sponsored_xaf=order.sponsored_xaf)


async def refund(tx: Tx, order: OrderRow) -> None:
    """Everything to the wallet of the number that paid, also when nobody has used it yet.

    What is only reserved there has never left it, and is set free.
    """
    reserved = await holds.find(tx, key=_reservation(order))
    if reserved is not None and reserved.state != "captured":
        await _set_free(tx, reserved)
        return
    await _settle(tx, order, kind="order_refunded", shares=[(chart.wallet(order.payer_id), order.total_xaf)])


async def _set_free(tx: Tx, reserved: Hold) -> None:
    try:
        async with tx.attempt():
            await holds.release(tx, hold_id=reserved.id)
    except HoldClosed:  # expired: free all the same
        return


async def keep_food(tx: Tx, order: OrderRow) -> None:
    """The restaurant has cooked: food as delivered, delivery fee and tip back to the payer's wallet (D18)."""
    back = (chart.wallet(order.payer_id), order.delivery_xaf + order.tip_xaf)
    shares = [*_food(order), back]
    await _settle(tx, order, kind="order_cancelled", shares=shares, sponsored_xaf=order.sponsored_xaf)


async def make_good(tx: Tx, order: OrderRow) -> None:
    """The platform's fault: everyone is paid, and the payer gets the total back at our expense."""
    await release(tx, order, beside=[Leg(chart.GOODWILL, chart.wallet(order.payer_id), order.total_xaf)])


def _food(order: OrderRow) -> list[Share]:
    """Items and their tax: the commission rounds down, the restaurant gets the rest."""
    return [
        (chart.restaurant_payable(order.restaurant_id), order.food_xaf - order.commission_xaf),
        (chart.COMMISSION, order.commission_xaf),
        (chart.TAX_PAYABLE, order.tax_xaf),
    ]


async def _settle(
    tx: Tx,
    order: OrderRow,
    *,
    kind: str,
    shares: Sequence[Share],
    beside: Sequence[Leg] = (),
    sponsored_xaf: int = 0,
) -> None:
    """Empty the escrow into `shares`, after the platform has added what its coupon promised."""
    paid_xaf = order.total_xaf + sponsored_xaf
    assert sum(amount for _, amount in shares) == paid_xaf, "the parts must sum to what was paid"
    legs = [Leg(chart.PROMOTIONS, chart.escrow(order.id), sponsored_xaf)] if sponsored_xaf else []
    legs += [Leg(chart.escrow(order.id), account, amount) for account, amount in shares if amount]
    await post(tx, key=f"order:{order.id}:settle", kind=kind, legs=[*legs, *beside], metadata=_about(order))


def _reservation(order: OrderRow) -> str:
    return f"order:{order.id}:reserve"


def _about(order: OrderRow) -> dict[str, str]:
    return {"order": str(order.id), "number": str(order.number)}


# ---- the ends that a delivery brings ---------------------------------------------------------------------


async def deliver(tx: Tx, *, order_id: UUID, how: str, actor: str = "system") -> OrderRow:
    """The meal is with the customer: DELIVERED, receipt, everyone paid, points and credit earned, in one transaction.

    `how` it was confirmed: "code", "customer" or "timeout". Raises WrongState, NotFound.
    """
    order = await move(tx, order_id=order_id, to="DELIVERED", actor=actor, how=how)
    await catalogue.count_delivered(tx, restaurant_id=order.restaurant_id)
    earned = await loyalty.earn(
        tx, order_id=order.id, person_id=order.person_id, items_xaf=order.items_xaf - order.discount_xaf
    )
    await messages.delivered(tx, order, points=earned)
    brought = await referrals.meal_delivered(tx, person_id=order.person_id)
    await release(tx, order, beside=[*loyalty.legs(person_id=order.person_id, earned=earned), *brought])
    return order


async def fail_delivery(tx: Tx, *, order_id: UUID, reason: str, actor: str = "system") -> OrderRow:
    """The meal could not be handed over: FAILED_DELIVERY, everyone is paid as if it was. Raises WrongState."""
    order = await move(tx, order_id=order_id, to="FAILED_DELIVERY", actor=actor, reason=reason)
    await messages.not_delivered(tx, order)
    await release(tx, order)
    return order
