"""The simulator as a service: `create_simulator` makes it, `run` serves it until it is told to stop."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import uvicorn
from litestar import Litestar, Request, Response, get
from litestar.di import Provide

from core.clock import Clock
from core.errors import GatewayError
from core.logs import logger
from core.texts import say
from payments.simulator import africastalking, callbacks, campay, endpoints, mtn, noupay, outcomes, pawapay, ussd
from payments.simulator.networks import Networks
from payments.simulator.settings import SimulatorSettings

_TICK_SECONDS = 0.5
_GRACE_SECONDS = 3  # an answer on hold must not keep the process alive
_PROVIDERS = (campay.router, noupay.router, pawapay.router, mtn.router)

log = logger(__name__)


def create_simulator(settings: SimulatorSettings, clock: Clock | None = None) -> Litestar:
    """The simulated networks as an application; its memory lives in `settings.data`."""
    networks = Networks(settings, clock)

    @asynccontextmanager
    async def working(app: Litestar) -> AsyncIterator[None]:
        app.state.networks = networks
        task = asyncio.create_task(_work(networks))
        yield
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await networks.close()

    return Litestar(
        route_handlers=[ready, *_PROVIDERS, africastalking.router, endpoints.router],
        dependencies={"networks": Provide(lambda: networks, sync_to_thread=False)},
        exception_handlers={GatewayError: _refuse},
        lifespan=[working],
        logging_config=None,
        openapi_config=None,
    )


def run(settings: SimulatorSettings, clock: Clock | None = None) -> None:
    """Serve until SIGTERM or SIGINT."""
    uvicorn.run(
        create_simulator(settings, clock),
        host=settings.host,
        port=settings.port,
        access_log=False,
        log_config=None,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )


@get("/health/live")
async def ready() -> dict[str, str]:
    """For whoever waits for the simulator to be up."""
    return {"status": "ok"}


def _refuse(_: Request[Any, Any, Any], error: GatewayError) -> Response[dict[str, object]]:
    detail = say("en", error.text_key)
    return Response({"status_code": error.status, "code": error.code, "detail": detail}, status_code=error.status)


async def _work(networks: Networks) -> None:
    """What the networks do by themselves, as long as the process lives."""
    while True:
        try:
            await _shift(networks)
        except* Exception:
            log.exception("simulator.work")
            await asyncio.sleep(_TICK_SECONDS)


async def _shift(networks: Networks) -> None:
    """At once when something became due, else twice a second."""
    async with asyncio.TaskGroup() as tasks:
        while True:
            networks.work.clear()
            outcomes.expire_prompts(networks)
            outcomes.carry_out(networks)
            ussd.expire(networks)
            callbacks.start_due(networks, tasks)
            with suppress(TimeoutError):
                await asyncio.wait_for(networks.work.wait(), _TICK_SECONDS)
