"""The web process: every route, in one list, on one Litestar."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from litestar import Litestar
from litestar.datastructures import State
from litestar.di import Provide
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components
from litestar.types import ControllerRouterHandler

from channels.api.access import BEARER, learn_language
from channels.api.routes import api_router
from channels.console.routes import Console
from channels.payments import payment_callback
from channels.rendering import answer_problem
from channels.sim_changes import sim_changed
from channels.sms.routes import africastalking_incoming, africastalking_report
from channels.ussd.routes import ussd_routes
from core.logs import configure_logging
from core.settings import Settings, load_settings
from gateway.health import health_router
from gateway.parts import Parts, make_parts


def app_factory() -> Litestar:
    """What uvicorn starts (`gateway.app:app_factory --factory`), with the settings of its environment."""
    settings = load_settings()
    configure_logging(service="web")
    return create_app(make_parts(settings, connections=settings.web_connections))


def create_app(parts: Parts) -> Litestar:
    """The service on `parts`; it closes them when it stops."""

    @asynccontextmanager
    async def closing(_: Litestar) -> AsyncIterator[None]:
        yield
        await parts.close()

    shared = {
        "settings": parts.settings,
        "database": parts.database,
        "limits": parts.limits,
        "ussd": parts.ussd,
    }
    return Litestar(
        routes(parts.settings),
        state=State(shared),
        dependencies={
            **{name: _handed(part) for name, part in shared.items()},
            "approvals": Provide(lambda: parts.approvals, sync_to_thread=False),  # made when it is first needed
        },
        exception_handlers={Exception: answer_problem},
        after_exception=[learn_language],
        request_max_body_size=parts.settings.api_body_bytes,
        # The framework's own logging writes bodies, and a body may hold a PIN; `answer_problem` logs what matters.
        logging_config=None,
        openapi_config=_documentation(),
        plugins=[Console(parts.settings)],
        lifespan=[closing],
    )


def _handed(part: object) -> Provide:
    """`part` for every handler that names it."""
    return Provide(lambda: part, sync_to_thread=False)


def routes(settings: Settings) -> list[ControllerRouterHandler]:
    """Everything that this service answers; the phones of a demo come with `Console`."""
    return [
        api_router(settings),
        *ussd_routes(settings),
        africastalking_incoming,
        africastalking_report,
        payment_callback,
        sim_changed,
        health_router,
    ]


def _documentation() -> OpenAPIConfig:
    """`/schema/openapi.json`: generated when it is first asked for, and only the JSON, so that nothing loads a CDN."""
    return OpenAPIConfig(
        title="Mboa Gateway",
        version="1",
        description="Every body and every answer is JSON (application/json) or MessagePack (application/x-msgpack "
        "or application/vnd.msgpack), by Content-Type and Accept. Refusals are application/problem+json.",
        components=Components(security_schemes={"bearer": BEARER}),
        use_handler_docstrings=True,
        render_plugins=[JsonRenderPlugin()],
    )
