"""What handlers ask for in their signatures: parts of the service, the caller, and parameters many routes share."""

from typing import Annotated

from litestar.di import NamedDependency
from litestar.params import HeaderParameter, PathParameter, QueryParameter

from core.database import Database
from core.four_eyes import Approvals
from core.limits import Limits
from marketplace.people.login import Identity

TheDatabase = NamedDependency[Database]
TheLimits = NamedDependency[Limits]
TheApprovals = NamedDependency[Approvals]
TheCaller = NamedDependency[Identity]  # only behind `access.allow`

PAGE_SIZE = 20  # A1.17
LARGEST_ID = 2_000_000_000

# No control characters: PostgreSQL refuses NUL, and the marks of sealed codes (core.sealed) are ours alone to write.
PRINTABLE = r"^[^\x00-\x1f\x7f-\x9f]*$"

PageNumber = Annotated[int, QueryParameter(ge=1, le=1_000)]
PageSize = Annotated[int, QueryParameter(ge=1, le=100)]
Words = Annotated[str | None, QueryParameter(max_length=40, pattern=PRINTABLE)]
NumberInPath = Annotated[int, PathParameter(ge=1, le=LARGEST_ID)]

IdempotencyKey = Annotated[
    str,
    HeaderParameter(
        name="Idempotency-Key",
        pattern=r"^[\x21-\x7e]{1,128}$",
        description="The client's own: new for each intention, the same for each repetition of it.",
    ),
]
