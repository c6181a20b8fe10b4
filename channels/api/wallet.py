"""The customer's wallet: balance, points, statement, limits, top-up."""

from datetime import datetime
from typing import Annotated

import msgspec
from litestar import get, post
from litestar.params import QueryParameter, RequestBody

from channels.api.encoding import problems
from channels.api.idempotency import intention
from channels.api.inputs import IdempotencyKey, TheCaller, TheDatabase, TheLimits
from channels.api.views import NewTopUp, TopUpView, WalletView, shown
from core.database import Tx
from core.phones import parse_phone
from marketplace.loyalty import service as loyalty
from marketplace.people import service as people
from marketplace.people.login import Identity
from marketplace.wallets import service as wallets

Days = Annotated[int, QueryParameter(ge=1, le=366)]


class MovementView(msgspec.Struct, frozen=True):
    """One change of the balance: in positive, out negative. `kind` is the journal's (docs/accounts.md)."""

    at: datetime
    kind: str
    amount_xaf: int
    balance_xaf: int


class StatementView(msgspec.Struct, frozen=True):
    items: list[MovementView]


class LimitsView(msgspec.Struct, frozen=True):
    """What was topped up in this day and this month of Douala, and the most that may be."""

    day_xaf: int
    day_maximum_xaf: int
    month_xaf: int
    month_maximum_xaf: int
    left_xaf: int


@get("/wallet", responses=problems(401, 403))
async def read_wallet(caller: TheCaller, database: TheDatabase) -> WalletView:
    """What the customer has with us, in francs and in points."""
    async with database.reading() as tx:
        return WalletView(
            balance_xaf=await wallets.balance(tx, person_id=caller.subject),
            reserved_xaf=await wallets.reserved(tx, person_id=caller.subject),
            points=await loyalty.points(tx, person_id=caller.subject),
            tier=(await loyalty.tier(tx, person_id=caller.subject)).name,
        )


@get("/wallet/statement", responses=problems(401, 403))
async def read_statement(caller: TheCaller, database: TheDatabase, days: Days = 30) -> StatementView:
    """What went in and out of the wallet in the last days, newest first."""
    async with database.reading() as tx:
        movements = await wallets.statement(tx, person_id=caller.subject, days=days)
    return StatementView([shown(movement, MovementView) for movement in movements])


@get("/wallet/limits", responses=problems(401, 403))
async def read_limits(caller: TheCaller, database: TheDatabase) -> LimitsView:
    """What has been topped up of what may be, today and this month (D13)."""
    async with database.reading() as tx:
        return shown(await wallets.limits(tx, person_id=caller.subject), LimitsView)


@post("/wallet/top-ups", responses=problems(401, 403, 409))
async def top_up(
    data: RequestBody[NewTopUp],
    caller: TheCaller,
    idempotency_key: IdempotencyKey,
    database: TheDatabase,
    limits: TheLimits,
) -> TopUpView:
    """Ask a phone to pay into the wallet: the prompt goes out at once, the outcome comes by SMS."""
    asked = intention(database.keys, caller.subject, idempotency_key, "top-ups", data)
    if answer := await asked.answered(database, TopUpView):
        return answer
    await limits.spend("payments", str(caller.subject))
    async with database.transaction() as tx:
        return await asked.once(tx, lambda: _top_up(tx, data, caller, asked.key), TopUpView)


async def _top_up(tx: Tx, data: NewTopUp, caller: Identity, key: str) -> TopUpView:
    phone = parse_phone(data.phone) if data.phone else (await people.get(tx, person_id=caller.subject)).phone
    requested = await wallets.request_top_up(
        tx, person_id=caller.subject, amount_xaf=data.amount_xaf, phone=phone, key=key
    )
    return shown(requested, TopUpView)
