"""The console in a web process of its own, on simulated networks, with a product that has four pages."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from litestar import Litestar, Request, Response, route
from litestar.di import Provide
from litestar.params import FromPath

from channels.console.routes import Console
from channels.rendering import answer_problem
from core.settings import Settings
from payments.simulator.app import create_simulator
from payments.simulator.settings import SimulatorSettings
from tests.support.servers import serve

_PAGES = {"": "CON Bienvenue\n1. Commander\n2. Suivre", "1": "CON Quartier? 3 lettres", "1*bon": "END Merci, à bientôt"}


@route("/{path:path}", http_method=["GET", "POST"], status_code=200, media_type="text/plain")
async def _product(request: Request[Any, Any, Any], path: FromPath[str]) -> Response[str]:
    """The pages, to Africa's Talking and to Safaricom, each with the name of its step."""
    if not path.startswith("/ussd"):
        return Response("")
    typed = request.query_params.get("USSD_PARAMS") or dict(await request.form()).get("text", "")
    return Response(_PAGES.get(typed, "END ?"), headers={"x-ussd-step": f"step-{typed.count('*') + bool(typed)}"})


@pytest.fixture
def simulator_url(tmp_path: Path) -> Iterator[str]:
    with serve(Litestar([_product], openapi_config=None), join=False) as product:
        settings = SimulatorSettings(data=tmp_path, product_url=product)
        with serve(create_simulator(settings), join=False) as url:
            yield url


def web(settings: Settings) -> Litestar:
    """A web process with nothing but the console."""
    return Litestar(
        plugins=[Console(settings)],
        dependencies={"settings": Provide(lambda: settings, sync_to_thread=False)},
        exception_handlers={Exception: answer_problem},
        openapi_config=None,
    )


@pytest.fixture
def web_url(simulator_url: str) -> Iterator[str]:
    dialects = ("africastalking", "safaricom")
    settings = Settings(environment="test", simulator_url=simulator_url, ussd_dialects=dialects)
    with serve(web(settings), join=False) as url:
        yield url
