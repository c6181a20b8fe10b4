"""What customers gain: points, and credit for friends they bring."""

from datetime import datetime

import msgspec
from litestar import get, post
from litestar.params import RequestBody
from litestar.status_codes import HTTP_200_OK

from channels.api.encoding import problems
from channels.api.idempotency import intention
from channels.api.inputs import IdempotencyKey, TheCaller, TheDatabase
from channels.api.views import Body, Number, shown
from core.database import Tx
from marketplace.loyalty import redeeming
from marketplace.loyalty import service as loyalty
from marketplace.referrals import service as referrals


class NextTierView(msgspec.Struct, frozen=True):
    """The tier above, and how many points in 12 months are missing for it."""

    name: str
    missing: int


class PointsView(msgspec.Struct, frozen=True):
    """`earned` in the last 12 months makes the tier; points lapse 12 months after they were earned."""

    points: int
    tier: str
    earned: int
    next_tier: NextTierView | None


class NewRedemption(Body):
    points: Number


class RedemptionView(msgspec.Struct, frozen=True):
    """Points that became wallet money."""

    points: int
    amount_xaf: int


class ReferralCodeView(msgspec.Struct, frozen=True):
    """The customer's own code, and what friends who entered it have come to."""

    code: int
    credit_xaf: int
    pending: int
    credited_this_month: int


class NewReferral(Body):
    code: Number


class ReferralView(msgspec.Struct, frozen=True):
    """`credit_xaf` comes to both with the first order that is delivered before `until`."""

    state: str
    credit_xaf: int
    until: datetime


@get("/points", responses=problems(401, 403))
async def read_points(caller: TheCaller, database: TheDatabase) -> PointsView:
    """Points, tier, and what the next tier takes."""
    async with database.reading() as tx:
        held = await loyalty.standing(tx, person_id=caller.subject)
    above = shown(held.next_tier, NextTierView) if held.next_tier else None
    return PointsView(points=held.points, tier=held.tier.name, earned=held.tier.earned, next_tier=above)


@post("/points/redemptions", responses=problems(401, 403, 409))
async def redeem_points(
    data: RequestBody[NewRedemption], caller: TheCaller, idempotency_key: IdempotencyKey, database: TheDatabase
) -> RedemptionView:
    """Turn points into wallet money."""
    asked = intention(database.keys, caller.subject, idempotency_key, "points/redemptions", data)

    async def redeem(tx: Tx) -> RedemptionView:
        made = await redeeming.redeem(tx, person_id=caller.subject, points=data.points, key=asked.key)
        return shown(made, RedemptionView)

    async with database.transaction() as tx:
        return await asked.once(tx, lambda: redeem(tx), RedemptionView)


@get("/referral", responses=problems(401, 403))
async def read_referral_code(caller: TheCaller, database: TheDatabase) -> ReferralCodeView:
    """The code to give to friends."""
    async with database.transaction() as tx:
        return shown(await referrals.standing(tx, person_id=caller.subject), ReferralCodeView)


@post("/referral", status_code=HTTP_200_OK, responses=problems(401, 403, 404, 409))
async def enter_referral_code(data: RequestBody[NewReferral], caller: TheCaller, database: TheDatabase) -> ReferralView:
    """Name the friend who told, before the first delivered order. The same code again changes nothing."""
    async with database.transaction() as tx:
        return shown(await referrals.enter(tx, person_id=caller.subject, code=data.code), ReferralView)
