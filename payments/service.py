"""Asking for money: collections from a phone, payouts to one, and refunds of what a phone has paid.

A request writes what is owed and its first attempt in the caller's transaction; a worker talks to the provider
later. The same key always means the same payment.
"""

from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Row, exists, func, select, update
from sqlalchemy.dialects.postgresql import insert

from core.database import Tx
from core.effects import KeyReused
from core.errors import NotFound
from core.ids import new_id
from core.jobs import enqueue
from core.phones import carrier_of
from ledger.chart import Account, payout_clearing
from ledger.service import Leg, post
from payments import attempts, routing
from payments.errors import NotRetryable, PaymentBusy, RefundTooLarge
from payments.outcomes import Payment
from payments.routing import Rail
from payments.states import LIVE, Kind, PaymentState, State
from payments.tables import attempt, payment, reversal

# A caller who dials again before the prompt went out gets this much longer, once (design: payments 22).
POSTPONE = timedelta(seconds=20)


class _Terms(msgspec.Struct, frozen=True):
    """What a key stands for: the same key with other terms is refused."""

    kind: Kind
    purpose: str
    reference: UUID
    amount_xaf: int
    phone: str
    account: Account
    returns: UUID | None = None
    carrier: str | None = None  # named, where it is not the one that the number's prefix points to


async def request_collection(
    tx: Tx,
    *,
    purpose: str,
    reference: UUID,
    amount_xaf: int,
    phone: str,
    credit: Account,
    key: str,
    session_id: str | None = None,
    carrier: str | None = None,
) -> Payment:
    """Ask `phone` (E.164) to pay `amount_xaf`, to be credited to `credit` when it has.

    `carrier` is the payer's word for where their account is, for one that no prefix points to (Express Union).
    `session_id` names the USSD session that the request was made in, as `keys.fingerprint("session", <the
    aggregator's id>)`: the prompt then waits for the end of that session (`session_ended`), at most
    `prompt_delay_seconds`. Otherwise it goes out at once.
    Raises UnsupportedCarrier, AmountOutOfLimits, PaymentsPaused, KeyReused.
    """
    terms = _Terms(Kind.COLLECT, purpose, reference, amount_xaf, phone, credit, carrier=carrier)
    owed, rail = await _owe(tx, key, terms)
    if rail is not None:
        await _prompt(tx, owed, session_id)
    return owed


async def request_payout(
    tx: Tx, *, purpose: str, reference: UUID, amount_xaf: int, phone: str, debit: Account, key: str
) -> Payment:
    """Send `amount_xaf` from `debit` to `phone`. The money leaves `debit` now and comes back if the payout fails.

    Posts a journal: call it last. Raises UnsupportedCarrier, AmountOutOfLimits, KeyReused, InsufficientFunds.
    """
    owed, rail = await _owe(tx, key, _Terms(Kind.PAYOUT, purpose, reference, amount_xaf, phone, debit))
    if rail is not None:
        await _send_out(tx, owed, debit)
    return owed


async def request_refund(
    tx: Tx,
    *,
    purpose: str,
    reference: UUID,
    payment_id: UUID,
    amount_xaf: int,
    debit: Account,
    key: str,
    attempt_id: UUID | None = None,
) -> Payment:
    """Send `amount_xaf` of the collection `payment_id` from `debit` back to the phone that paid it.

    `attempt_id` names the attempt that brought the money, where it is not the one that the payment was PAID by.
    Where that attempt's provider refunds by itself it does; else the money goes out as any payout does.
    Posts a journal: call it last. Raises RefundTooLarge when more would go back than came in (a trigger says
    so too), NotFound, AmountOutOfLimits, KeyReused, InsufficientFunds.
    """
    collected = await tx.first(select(payment).where(payment.c.id == payment_id).with_for_update())
    if collected is None or collected.kind != Kind.COLLECT:
        raise NotFound()
    phone = tx.keys.decrypt(collected.phone)
    terms = _Terms(Kind.REFUND, purpose, reference, amount_xaf, phone, debit, payment_id)
    known = await _known(tx, key, terms)
    if known is not None:  # its answer stands, whatever came or went since
        return known
    if amount_xaf > await refundable(tx, payment_id=payment_id):
        raise RefundTooLarge()
    brought = await _brought(tx, payment_id, attempt_id)
    owed, rail = await _owe(tx, key, terms, brought)
    if rail is not None:
        native = brought and rail.capabilities.native_refund and rail.name == brought.provider
        await _send_out(tx, owed, debit, returns=brought.id if brought and native else None)
    return owed


async def refundable(tx: Tx, *, payment_id: UUID) -> int:
    """XAF that may still go back of a collection; negative where a provider took back what had gone back already."""
    came = func.coalesce(func.sum(attempt.c.received_xaf), 0)
    went = func.coalesce(func.sum(payment.c.amount_xaf), 0)
    reversed_ = exists().where(reversal.c.attempt_id == attempt.c.id)
    kept = attempt.c.payment_id == payment_id, attempt.c.settled_at.is_not(None), ~reversed_
    received = await tx.value(select(came).where(*kept))
    of_reversed = exists().where(payment.c.key == func.concat("surplus:", reversal.c.attempt_id))
    standing = payment.c.returns == payment_id, payment.c.state != PaymentState.FAILED, ~of_reversed
    return int(received - await tx.value(select(went).where(*standing)))


async def find(tx: Tx, *, reference: UUID) -> Payment | None:
    """The newest collection or payout made for `reference` (refunds are not looked at)."""
    newest = payment.c.created_at.desc(), payment.c.id.desc()
    wanted = payment.c.reference == reference, payment.c.kind != Kind.REFUND
    row = await tx.first(select(payment).where(*wanted).order_by(*newest).limit(1))
    return None if row is None else attempts.read_payment(tx, row, provider=await _provider(tx, row.id))


async def session_ended(tx: Tx, *, session_ref: str) -> None:
    """The USSD session that was named to `request_collection` is over: its prompt may go out now."""
    waiting = attempt.c.session_ref == session_ref, attempt.c.state == State.PREPARED
    due_now = update(attempt).where(*waiting).values(next_check_at=tx.now).returning(attempt.c.id)
    for row in await tx.all(due_now):
        await enqueue(tx, attempts.JOB, row.id)


# Every dial asks this, and nearly always of nothing.
_POSTPONE = """
    UPDATE attempt SET next_check_at = greatest(next_check_at, $3) + $4, postponed = true
    WHERE phone_index = $1 AND state = $2 AND session_ref IS NOT NULL AND NOT postponed
"""


async def postpone(tx: Tx, *, phone: str) -> None:
    """A new USSD session began on `phone`: a prompt that still waits for an older one waits 20 s more, once."""
    await (await tx.driver()).execute(_POSTPONE, tx.keys.blind_index(phone), State.PREPARED, tx.now, POSTPONE)


async def retry(tx: Tx, *, payment_id: UUID, session_id: str | None = None) -> Payment:
    """The customer asks for another prompt, knowing that an older one may still be live.

    Their consent releases a quarantined attempt; if both are approved, the second goes back by itself. Only an
    EXPIRED or FAILED collection may be tried again. What it pays for must be payable again before this commits:
    money that the `paid` handler refuses goes back. Raises NotRetryable, PaymentBusy, PaymentsPaused, NotFound.
    """
    owed = await _lock(tx, payment_id)
    if owed.kind is not Kind.COLLECT or owed.state not in (PaymentState.EXPIRED, PaymentState.FAILED):
        raise NotRetryable()
    live = attempt.c.payment_id == payment_id, attempt.c.state.in_(LIVE), attempt.c.released_at.is_(None)
    await tx.run(update(attempt).where(*live).values(released_at=tx.now))
    reopened = {"state": PaymentState.OPEN, "failure": None, "closed_at": None}
    await tx.run(update(payment).where(payment.c.id == payment_id).values(**reopened))
    rail = await routing.first(tx, kind=owed.kind, carrier=owed.carrier, amount_xaf=owed.amount_xaf)
    owed = msgspec.structs.replace(owed, state=PaymentState.OPEN, failure=None, provider=rail.name)
    await _prompt(tx, owed, session_id)
    return owed


async def cancel(tx: Tx, *, payment_id: UUID) -> None:
    """Nobody wants this collection any more: what is not sent never goes out, what still arrives goes back.

    Raises PaymentBusy instead of waiting, since the caller holds its own rows and a worker may want those.
    """
    owed = await _lock(tx, payment_id)
    if owed.state is not PaymentState.OPEN:
        return
    unsent = attempt.c.payment_id == payment_id, attempt.c.state == State.PREPARED
    dead = {"state": State.DEAD, "evidence": "CANCELLED", "next_check_at": None}
    await tx.run(update(attempt).where(*unsent).values(**dead))
    await attempts.close(tx, owed, PaymentState.CANCELLED)


async def _owe(tx: Tx, key: str, terms: _Terms, brought: Row[Any] | None = None) -> tuple[Payment, Rail | None]:
    """The payment of `key`, and the rail of its first attempt if it was made just now."""
    # What a provider said of a number when it paid, or its owner says, beats the prefix.
    named = brought.carrier if brought else terms.carrier
    carrier = named or carrier_of(terms.phone, tx.settings.carrier_prefixes)
    known = await _known(tx, key, terms)  # what was asked for before is there, whatever settings and rails are now
    if known is not None:
        return known, None
    prefer = brought.provider if brought else None
    rail = await routing.first(tx, kind=terms.kind, carrier=carrier, amount_xaf=terms.amount_xaf, prefer=prefer)
    rest = {"carrier": carrier, "phone": tx.keys.encrypt(terms.phone), "state": PaymentState.OPEN, "created_at": tx.now}
    written = {"id": new_id(), "key": key, **_fixed(tx, terms), **rest}
    fresh = insert(payment).values(written).on_conflict_do_nothing()
    row = await tx.first(fresh.returning(payment))
    if row is not None:
        return attempts.read_payment(tx, row, provider=rail.name), rail
    known = await _known(tx, key, terms)  # made by another at the same time
    assert known is not None
    return known, None


def _fixed(tx: Tx, terms: _Terms) -> dict[str, Any]:
    """What a payment keeps of its terms."""
    carrier = {"carrier": terms.carrier} if terms.carrier else {}
    return carrier | {
        "kind": terms.kind,
        "purpose": terms.purpose,
        "reference": terms.reference,
        "amount_xaf": terms.amount_xaf,
        "phone_index": tx.keys.blind_index(terms.phone),
        "account": msgspec.to_builtins(terms.account),
        "returns": terms.returns,
    }


async def _known(tx: Tx, key: str, terms: _Terms) -> Payment | None:
    """The payment that was made under `key`. Raises KeyReused when it was another one."""
    row = await tx.first(select(payment).where(payment.c.key == key))
    if row is None:
        return None
    if any(getattr(row, name) != value for name, value in _fixed(tx, terms).items()):
        raise KeyReused()
    return attempts.read_payment(tx, row, provider=await _provider(tx, row.id))


async def _brought(tx: Tx, payment_id: UUID, attempt_id: UUID | None) -> Row[Any] | None:
    """The attempt that brought a collection's money: the named one, else the one that is not sent back as a surplus."""
    columns = attempt.c.id, attempt.c.provider, attempt.c.carrier
    settled = select(*columns).where(attempt.c.payment_id == payment_id, attempt.c.settled_at.is_not(None))
    if attempt_id is not None:
        return await tx.first(settled.where(attempt.c.id == attempt_id))
    sent_back = exists().where(payment.c.key == func.concat("surplus:", attempt.c.id))
    return await tx.first(settled.where(~sent_back).order_by(attempt.c.settled_at).limit(1))


async def _prompt(tx: Tx, owed: Payment, session_id: str | None) -> None:
    """Prepare the attempt of a collection: now, or after the USSD session it was asked for in."""
    wait = timedelta(seconds=tx.settings.prompt_delay_seconds if session_id else 0)
    await attempts.prepare(
        tx,
        owed,
        provider=owed.provider,
        at=tx.now + wait,
        deadline=attempts.collect_deadline(tx),
        session_ref=session_id,
    )


async def _send_out(tx: Tx, owed: Payment, debit: Account, returns: UUID | None = None) -> None:
    """Prepare the attempt of a payout or refund and set its money aside."""
    await attempts.prepare(tx, owed, provider=owed.provider, at=tx.now, deadline=None, returns=returns)
    await post(
        tx,
        key=f"payment:{owed.id}:set_aside",
        kind=f"{owed.kind}_set_aside",
        legs=[Leg(debit=debit, credit=payout_clearing(owed.id), amount=owed.amount_xaf)],
        metadata={"payment": str(owed.id), "purpose": owed.purpose},
    )


async def _lock(tx: Tx, payment_id: UUID) -> Payment:
    """The payment, locked. Raises PaymentBusy while a worker has it, NotFound."""
    row = await tx.first(select(payment).where(payment.c.id == payment_id).with_for_update(skip_locked=True))
    if row is not None:
        return attempts.read_payment(tx, row, provider=await _provider(tx, payment_id))
    raise PaymentBusy() if await tx.value(select(payment.c.id).where(payment.c.id == payment_id)) else NotFound()


async def _provider(tx: Tx, payment_id: UUID) -> str:
    """The provider of a payment's newest attempt."""
    newest = select(attempt.c.provider).where(attempt.c.payment_id == payment_id).order_by(attempt.c.created_at.desc())
    return str(await tx.value(newest.limit(1)))
