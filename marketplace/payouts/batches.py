"""Many payouts from one file: restaurants by their number, each with an amount or with all that may go today.

A line that was paid is not paid again when the same file comes again, whole or mended: its key is the batch's name
and the restaurant's number. What is above the day's limit becomes a proposal.
"""

import csv
import io
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from msgspec import Struct
from sqlalchemy import select

from core.database import Database, Tx
from core.errors import GatewayError, InvalidInput
from core.four_eyes import Proposal
from core.money import parse_xaf
from marketplace.catalogue.tables import restaurant, restaurant_phone
from marketplace.payouts import approved, service
from marketplace.payouts.errors import PayoutLimit
from marketplace.payouts.service import Payout
from marketplace.people import service as people

COLUMNS = ("restaurant", "amount_xaf", "note")


class Line(Struct, frozen=True):
    """One line of a file: a restaurant by its number; None: all that may go today."""

    restaurant: int
    amount_xaf: int | None
    note: str


class Payee(Struct, frozen=True):
    """A restaurant, and its first phone (E.164)."""

    restaurant_id: UUID
    phone: str


class Outcome(Struct, frozen=True):
    """What became of a line: a payout, a proposal, or the refusal's text key with its parameters."""

    line: Line
    payout: Payout | None = None
    proposal: Proposal | None = None
    refusal: GatewayError | None = None


def parse(file: str) -> list[Line]:
    """The lines of a CSV file headed `restaurant,amount_xaf,note`. Raises InvalidInput naming the line."""
    reader = csv.DictReader(io.StringIO(file))
    if tuple(reader.fieldnames or ()) != COLUMNS:
        raise InvalidInput(field=",".join(COLUMNS))
    lines = [_line(number, row) for number, row in enumerate(reader, start=2)]
    if len({line.restaurant for line in lines}) < len(lines):
        raise InvalidInput(field="restaurant")
    return lines


def _line(number: int, row: dict[str, Any]) -> Line:
    try:
        if None in row or None in row.values():  # too many cells, or too few
            raise ValueError
        amount_xaf = parse_xaf(row["amount_xaf"]) if row["amount_xaf"] else None
        return Line(int(row["restaurant"]), amount_xaf, row["note"].strip())
    except (GatewayError, ValueError, TypeError):
        raise InvalidInput(field=f"line {number}") from None


async def pay(database: Database, lines: Sequence[Line], *, batch: str, by: UUID) -> list[Outcome]:
    """Pay each line in a transaction of its own, so that one that is refused holds up no other."""
    return [await _pay_one(database, line, batch, by) for line in lines]


async def _pay_one(database: Database, line: Line, batch: str, by: UUID) -> Outcome:
    try:
        async with database.transaction() as tx:
            return Outcome(line, payout=await _request(tx, line, batch))
    except PayoutLimit as limit:
        if line.amount_xaf is None:
            return Outcome(line, refusal=limit)
    except GatewayError as refusal:
        return Outcome(line, refusal=refusal)
    try:
        async with database.transaction() as tx:
            return Outcome(line, proposal=await _propose(tx, line, batch, by))
    except GatewayError as refusal:
        return Outcome(line, refusal=refusal)


async def payee_of(tx: Tx, *, restaurant_number: int) -> Payee:
    """Whom a restaurant's money goes to. Raises InvalidInput."""
    first = restaurant_phone.c.restaurant_id == restaurant.c.id
    wanted = select(restaurant.c.id, restaurant_phone.c.person_id).join(restaurant_phone, first)
    numbered = restaurant.c.number == restaurant_number
    row = await tx.first(wanted.where(numbered).order_by(restaurant_phone.c.position).limit(1))
    if row is None:
        raise InvalidInput(field=f"restaurant {restaurant_number}")
    return Payee(row.id, (await people.get(tx, person_id=row.person_id)).phone)


async def _request(tx: Tx, line: Line, batch: str) -> Payout:
    payee = await payee_of(tx, restaurant_number=line.restaurant)
    return await service.request(
        tx,
        owner="restaurant",
        owner_id=payee.restaurant_id,
        phone=payee.phone,
        amount_xaf=line.amount_xaf,
        key=_key(line, batch),
        purpose="batch",
        note=line.note or batch,
    )


async def _propose(tx: Tx, line: Line, batch: str, by: UUID) -> Proposal:
    payee, amount_xaf = await payee_of(tx, restaurant_number=line.restaurant), line.amount_xaf
    assert amount_xaf is not None, "all that may go today is within the day's limit"
    return await approved.propose(
        tx,
        owner="restaurant",
        owner_id=payee.restaurant_id,
        phone=payee.phone,
        amount_xaf=amount_xaf,
        reason=line.note or batch,
        by=by,
        key=_key(line, batch),
    )


def _key(line: Line, batch: str) -> str:
    return f"batch:{batch}:{line.restaurant}"
