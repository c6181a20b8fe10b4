"""What the simulator knows, held against what we have booked: the table at the end of a simulation."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Row, text

from core.database import Database, Tx
from gateway.simulation.networks import Movement
from ledger.chart import provider_float
from ledger.service import balance

_PAYMENTS = text("SELECT id, kind, purpose, returns, state, amount_xaf FROM payment")
_ATTEMPTS = text("SELECT id::text, payment_id, state, evidence, settled_at, released_at FROM attempt")
# A surplus that could not go back to its phone is in its owner's wallet.
_CREDITED = text("""
    SELECT journal.metadata ->> 'payment' AS payment, sum(amount) AS xaf
    FROM journal JOIN posting ON journal_id = journal.id WHERE journal.kind = 'surplus' GROUP BY 1
""")
_ACCOUNTS = text("SELECT code FROM account WHERE code LIKE ANY(:families) ORDER BY code")
_FLOATS = ("float:%",)
_RESTING = ("suspense:%", "in_transit:%", "clearing:%")  # money may rest there for a while, but not when all is over


class Truth(msgspec.Struct, frozen=True):
    """The proof. Everything after `surplus_xaf` should be nothing."""

    payments: int
    attempts: int
    payouts: int
    surplus_returned: int
    surplus_xaf: int
    double_prompts: int
    double_charges: int
    half_returned: int
    payouts_twice: int
    payouts_misjudged: int
    unaccounted_xaf: int
    unbooked: list[str]
    resting: list[str]

    @property
    def sound(self) -> bool:
        wrong = (self.double_prompts, self.double_charges, self.half_returned, self.payouts_twice)
        return not (any(wrong) or self.payouts_misjudged or self.unbooked or self.unaccounted_xaf or self.resting)


class _Books(msgspec.Struct, frozen=True):
    """What we have written down."""

    payments: Mapping[UUID, Row[Any]]
    attempts: Mapping[str, Row[Any]]
    credited_xaf: Mapping[UUID, int]


async def establish(
    database: Database, movements: Sequence[Movement], floats: Mapping[str, Mapping[str, int]]
) -> Truth:
    """Compare; nothing may be under way any more."""
    async with database.reading() as tx:
        books = _Books(
            {row.id: row for row in await tx.all(_PAYMENTS)},
            {row.id: row for row in await tx.all(_ATTEMPTS)},
            {UUID(row.payment): int(row.xaf) for row in await tx.all(_CREDITED)},
        )
        ours = await _balances(tx, _FLOATS)
        resting = [f"{code} holds {xaf}" for code, xaf in (await _balances(tx, _RESTING)).items() if xaf]
    by_payment = _by_payment(books, movements)
    kept = [_kept_xaf(books, row, by_payment) for row in books.payments.values() if row.kind == "collect"]
    sent = [(row, _moved(by_payment[row.id])) for row in books.payments.values() if row.kind != "collect"]
    returned = [row.amount_xaf for row, moved in sent if row.purpose == "surplus" and moved]
    return Truth(
        payments=len(kept),
        attempts=len(books.attempts),
        payouts=len(sent),
        surplus_returned=len(returned),
        surplus_xaf=sum(returned),
        double_prompts=sum(_double_prompts(books, found) for found in by_payment.values()),
        double_charges=sum(kept_xaf > amount_xaf for kept_xaf, amount_xaf in kept),
        half_returned=sum(kept_xaf not in (0, amount_xaf) and kept_xaf < amount_xaf for kept_xaf, amount_xaf in kept),
        payouts_twice=sum(len(moved) > 1 for _, moved in sent),
        payouts_misjudged=sum(bool(moved) is not (row.state == "PAID") for row, moved in sent),
        unaccounted_xaf=_unaccounted_xaf(ours, floats),
        unbooked=[sentence for movement in movements if (sentence := _unbooked(books, movement))],
        resting=resting,
    )


async def _balances(tx: Tx, families: Sequence[str]) -> dict[str, int]:
    codes = [row.code for row in await tx.all(_ACCOUNTS, {"families": list(families)})]
    return {code: await balance(tx, code) for code in codes}


def _by_payment(books: _Books, movements: Iterable[Movement]) -> Mapping[UUID, list[Movement]]:
    """Every movement that we caused, under the payment it was caused for."""
    found: defaultdict[UUID, list[Movement]] = defaultdict(list)
    for movement in movements:
        attempt = books.attempts.get(str(movement.our_id))
        if attempt is not None:
            found[attempt.payment_id].append(movement)
    return found


def _moved(movements: Iterable[Movement]) -> list[Movement]:
    return [movement for movement in movements if movement.moved]


def _kept_xaf(books: _Books, owed: Row[Any], by_payment: Mapping[UUID, list[Movement]]) -> tuple[int, int]:
    """What the payer's phone has paid and neither phone nor wallet has got back, and what was owed."""
    paid = sum(movement.amount_xaf for movement in _moved(by_payment.get(owed.id, [])))
    refunds = [row.id for row in books.payments.values() if row.returns == owed.id]
    back = sum(movement.amount_xaf for refund in refunds for movement in _moved(by_payment.get(refund, [])))
    return paid - back - books.credited_xaf.get(owed.id, 0), owed.amount_xaf


def _double_prompts(books: _Books, movements: Sequence[Movement]) -> int:
    """Prompts that appeared while an earlier one of the same payment was live, without the payer's consent."""
    prompts = [movement for movement in movements if movement.kind == "collect"]
    return sum(
        any(_live(books, earlier, later.created_at) for earlier in prompts[:position])
        for position, later in enumerate(prompts)
    )


def _live(books: _Books, prompt: Movement, instant: float) -> bool:
    """Whether a prompt that nobody had released might still be answered at `instant`."""
    released = books.attempts[str(prompt.our_id)].released_at is not None
    return not released and (prompt.settled_at is None or prompt.settled_at > instant)


def _unbooked(books: _Books, movement: Movement) -> str | None:
    """A sentence about money that moved and that no attempt of ours has settled."""
    attempt = books.attempts.get(str(movement.our_id))
    if not movement.moved or (attempt is not None and attempt.settled_at is not None):
        return None
    known = f"attempt {attempt.id} is {attempt.state} ({attempt.evidence})" if attempt else "no attempt of ours"
    return f"{movement.provider} has moved {movement.amount_xaf} ({movement.kind}), {known}"


def _unaccounted_xaf(ours: Mapping[str, int], theirs: Mapping[str, Mapping[str, int]]) -> int:
    """How far the providers' balances are from our float accounts, taken together."""
    held = {
        provider_float(provider, carrier).code: xaf
        for provider, carriers in theirs.items()
        for carrier, xaf in carriers.items()
    }
    return sum(abs(held.get(code, 0) - ours.get(code, 0)) for code in held.keys() | ours.keys())
