"""Why a command of ours cannot run; told to its operator in English."""


class CannotRun(Exception):
    """The message says what is missing or in the way, and what to do."""


class EmbeddedUnavailable(CannotRun):
    """The embedded PostgreSQL does not work on this machine."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"The embedded PostgreSQL cannot run here: {why}. Set DATABASE_URL to a PostgreSQL 15+ server."
        )
