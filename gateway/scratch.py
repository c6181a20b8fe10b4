"""A database for the length of one command: the one that is given, which must be empty, or one of our own."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from core.settings import load_settings
from gateway.embedded import NO_SYNC, EmbeddedServer
from gateway.errors import CannotRun


@contextmanager
def scratch_database(directory: Path) -> Iterator[str]:
    """Its URL: DATABASE_URL's, or that of a PostgreSQL below `directory`, which goes with it. Raises CannotRun."""
    given = load_settings()
    if given.database_url:
        yield given.database_url
        return
    with ExitStack() as cleanup:
        server = EmbeddedServer(directory, isolation=given.embedded_isolation, options=NO_SYNC)
        cleanup.callback(shutil.rmtree, directory / "postgres", ignore_errors=True)
        cleanup.callback(server.close)
        if not server.own():
            raise CannotRun(f"Another command uses {directory}.")
        server.start()
        yield server.url
