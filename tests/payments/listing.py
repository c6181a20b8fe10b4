"""CamPay with the list and the balances that a test gives it, and what reconciliation makes of them."""

from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from core import four_eyes
from payments import reconciliation
from payments.providers.campay import Campay
from payments.providers.protocol import HistoryLine, Word
from payments.reconciliation import items, resolving
from payments.reconciliation.comparing import Compared
from payments.reconciliation.resolving import Resolution
from tests.payments.house import PAYER, House

ANNE, BORIS = uuid4(), uuid4()
TODAY = date(2026, 11, 21)


class Listing(Campay):
    """CamPay, with the list and the balances that a test gives it."""

    lines: list[HistoryLine] | None
    holds: dict[str, int] | None = None

    async def history(self, **_: Any) -> list[HistoryLine] | None:
        return self.lines

    async def floats(self) -> dict[str, int] | None:
        return self.holds


def line(house: House, ref: str = "theirs", our_id: UUID | None = None, **changes: Any) -> HistoryLine:
    told = {
        "ref": ref,
        "our_id": str(our_id) if our_id else None,
        "at": house.clock.now(),
        "word": Word.SUCCESSFUL,
        "collects": True,
        "amount": Decimal(3800),
        "fee": Decimal(95),
        "phone": PAYER,
        "carrier": "mtn",
    }
    return HistoryLine(**{**told, **changes})


async def compare(house: House, provider: Listing, day: date = TODAY) -> Compared:
    return (await reconciliation.run(house.database, [provider], day))["campay"]


async def found(house: House, provider: Listing) -> list[tuple[str, int, int]]:
    """What a comparison finds: the exception, our figure, theirs."""
    return [(str(one.difference), one.ours_xaf, one.theirs_xaf) for one in (await compare(house, provider)).found]


async def waiting(house: House) -> list[str]:
    async with house.database.reading() as tx:
        return [row.exception for row in await items.open_items(tx)]


async def resolve(house: House, resolution: Resolution) -> None:
    async with house.database.transaction() as tx:
        (item,) = await items.open_items(tx)
        made = await resolving.propose(tx, item_id=item.id, resolution=resolution, reason="seen", by=ANNE)
    async with house.database.transaction() as tx:
        approved = await four_eyes.approve(tx, proposal_id=made.id, by=BORIS)
        await resolving.carry_out(tx, approved)
