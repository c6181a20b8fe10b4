"""What the simulated providers have in common: how they refuse, ask a payer, show a movement, and open their doors."""

from collections.abc import Callable, Sequence
from typing import Any

from litestar import Request, Response, Router

from payments.simulator import faults, movements
from payments.simulator.movements import COLLECT, Movement
from payments.simulator.networks import Networks
from payments.simulator.spoiling import FaultyAnswers

CallBack = Callable[[Networks, Movement], None]


class Refusal(Exception):
    """A request that is not done, and the body that says so, in the provider's own form."""

    def __init__(self, status: int, **body: object) -> None:
        super().__init__(body)
        self.status = status
        self.body = body


def coded(status: int, code: str, message: str) -> Refusal:
    """The form that most have: `{"code", "message"}`."""
    return Refusal(status, code=code, message=message)


def collect(networks: Networks, call_back: CallBack, *, provider: str, **asked: Any) -> Movement:
    """Ask a payer for money; of one who is busy already the product is told at once. Part of a block."""
    movement = movements.record(networks, provider=provider, kind=COLLECT, **asked)
    if not movements.prompt(networks, movement):
        call_back(networks, movements.numbered(networks, movement.number))
    return movement


def look_up(networks: Networks, provider: str, ref: str, kind: str) -> Movement | None:
    """The movement that a caller gave its own id, unless that is overlooked in the first moments."""
    movement = movements.find(networks, provider, ref, kind)
    if movement is None or faults.not_yet_there(networks, f"{provider}.lookup", movement.created_at):
        return None
    return movement


def doors(path: str, handlers: Sequence[Any], **options: Any) -> Router:
    """A provider's addresses: they refuse in its form, and answer wrongly where a fault wants that."""
    return Router(
        path,
        route_handlers=handlers,
        middleware=[FaultyAnswers()],
        exception_handlers={Refusal: _render},
        **options,
    )


def _render(_: Request[Any, Any, Any], refusal: Refusal) -> Response[dict[str, object]]:
    return Response(refusal.body, status_code=refusal.status)
