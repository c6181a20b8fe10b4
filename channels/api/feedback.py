"""What customers say afterwards: stars, complaints, and that they want to be called."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from litestar import get, post
from litestar.params import FromPath, RequestBody
from litestar.status_codes import HTTP_200_OK
from msgspec import Meta

from channels.api.encoding import problems
from channels.api.inputs import TheCaller, TheDatabase
from channels.api.views import Body, shown
from marketplace.ratings import service as ratings
from marketplace.support import service as support
from marketplace.support.service import Case

Stars = Annotated[int, Meta(ge=1, le=5)]


class NewRating(Body):
    stars: Stars
    driver_stars: Stars | None = None


class RatingView(msgspec.Struct, frozen=True):
    """The order that was rated, once and for good."""

    order_id: UUID
    number: int
    restaurant_name: str


class NewComplaint(Body):
    reason: Literal["not_received", "wrong", "quality", "payment"]


class CaseView(msgspec.Struct, frozen=True):
    """`number` is what support knows it by; `closed_at` says that it has been dealt with."""

    number: int
    kind: str
    order_number: int | None
    opened_at: datetime
    closed_at: datetime | None


class CasesView(msgspec.Struct, frozen=True):
    items: list[CaseView]


@post("/orders/{order_id:uuid}/rating", responses=problems(401, 403, 404, 409))
async def rate_order(
    order_id: FromPath[UUID], data: RequestBody[NewRating], caller: TheCaller, database: TheDatabase
) -> RatingView:
    """One to five stars for the meal and for its ride, by whom it was delivered to, once."""
    async with database.transaction() as tx:
        rated = await ratings.rate(
            tx, person_id=caller.subject, order_id=order_id, stars=data.stars, driver_stars=data.driver_stars
        )
        return shown(rated, RatingView)


@post("/orders/{order_id:uuid}/complaint", status_code=HTTP_200_OK, responses=problems(401, 403, 404, 409))
async def complain(
    order_id: FromPath[UUID], data: RequestBody[NewComplaint], caller: TheCaller, database: TheDatabase
) -> CaseView:
    """Have an order looked at. A repeat gets the same case while that is open."""
    async with database.transaction() as tx:
        return _shown(await support.complain(tx, person_id=caller.subject, order_id=order_id, reason=data.reason))


@post("/support/call-back", status_code=HTTP_200_OK, responses=problems(401, 403))
async def ask_call_back(caller: TheCaller, database: TheDatabase) -> CaseView:
    """Have support call the customer. A repeat gets the same case while that is open."""
    async with database.transaction() as tx:
        return _shown(await support.ask_call_back(tx, person_id=caller.subject))


@get("/support/cases", responses=problems(401, 403))
async def list_cases(caller: TheCaller, database: TheDatabase) -> CasesView:
    """The customer's newest cases."""
    async with database.reading() as tx:
        return CasesView([_shown(case) for case in await support.cases(tx, person_id=caller.subject)])


def _shown(case: Case) -> CaseView:
    return shown(case, CaseView)
