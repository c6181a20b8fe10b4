"""`gateway serve`: the web process."""

import gc
from contextlib import suppress

import uvicorn

from channels.ussd.routes import turns_first
from core.logs import configure_logging
from gateway import processes
from gateway.app import create_app
from gateway.configuration import production_settings, with_database
from gateway.parts import make_parts


def serve() -> None:
    """Answer until SIGTERM or SIGINT; requests that run then are finished first (D32). Raises CannotRun."""
    configure_logging(service="web")
    with (
        suppress(KeyboardInterrupt),
        processes.interrupted_by_signals(),
        with_database(production_settings()) as settings,
    ):
        parts = make_parts(settings, connections=settings.web_connections)
        app = turns_first(create_app(parts))
        gc.freeze()  # what the imports made stays: a full collection that walked it would hold up every caller
        uvicorn.run(
            app,
            host=settings.host,
            port=settings.port,
            timeout_graceful_shutdown=settings.shutdown_seconds,
            access_log=False,  # paths hold secrets, a callback's query holds phones (D30)
            log_config=None,
            server_header=False,
            date_header=False,
            proxy_headers=False,  # whose X-Forwarded-For counts is ours to decide (D20)
        )
