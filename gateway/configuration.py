"""What a command runs with: settings, the demo's own secrets beneath them, and a database.

A demo keeps everything in `.demo/<PORT>`: its secrets as a list of variables, the embedded PostgreSQL, the simulated
networks' memory and its logs. Commands on the same PORT find them there.
"""

import base64
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

from core.settings import Secret, Settings, load_settings, pairs
from gateway.embedded import attached_or_started
from gateway.errors import CannotRun

# Every secret of a demo starts with it, so that `serve` knows one when it sees one.
_DEMO = "demo"
_NEEDED = ("secret_key", "ussd_secret", "sms_secret", "payments_secret")


def demo_directory(port: int) -> Path:
    """Where the demo on `port` keeps everything, below the working directory."""
    return Path(".demo") / str(port)


def command_settings(*, make_secrets: bool = True) -> Settings:
    """The environment's settings; where it holds no SECRET_KEY, those of the demo on this PORT beneath them.

    Without `make_secrets` a demo that never was stays so.
    """
    given = load_settings()
    directory = demo_directory(given.port)
    if given.secret_key or not (make_secrets or _variables(directory).exists()):
        return given
    return load_settings({**demo_variables(directory), **os.environ})


def production_settings() -> Settings:
    """The environment's settings. Raises CannotRun when a secret is missing, or a demo's (D31)."""
    settings = load_settings()
    if missing := [name.upper() for name in _NEEDED if not getattr(settings, name)]:
        raise CannotRun(f"Not set: {', '.join(missing)}. `make demo` needs none of them.")
    if settings.environment == "production" and (known := [name.upper() for name in _demo_secrets(settings)]):
        raise CannotRun(f"Everybody knows the demo's secrets; choose others for {', '.join(known)}.")
    if settings.environment == "production" and settings.clock_file:
        raise CannotRun("CLOCK_FILE is for simulations: real money keeps to the real time.")
    return settings


@contextmanager
def with_database(settings: Settings) -> Iterator[Settings]:
    """`settings` with a DATABASE_URL: their own, or that of the embedded PostgreSQL of their PORT."""
    if settings.database_url:
        yield settings
        return
    with attached_or_started(demo_directory(settings.port), isolation=settings.embedded_isolation) as url:
        yield msgspec.structs.replace(settings, database_url=url)


def demo_variables(directory: Path) -> dict[str, str]:
    """The variables of the demo in `directory`; its secrets are made the first time they are asked for."""
    if not _variables(directory).exists():
        store_variables(directory, _new_secrets())
    return msgspec.json.decode(_variables(directory).read_bytes(), type=dict[str, str])


def store_variables(directory: Path, variables: Mapping[str, str]) -> None:
    """Keep `variables` for later commands, readable by their owner only, all or nothing."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    unfinished = directory / f"variables.{os.getpid()}"
    with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(variables)))
    unfinished.rename(_variables(directory))


def _variables(directory: Path) -> Path:
    return directory / "variables.json"


def _new_secrets() -> dict[str, str]:
    # "demo" is four characters of base64 too, so the key still decodes.
    key = _DEMO + base64.b64encode(secrets.token_bytes(33)).decode()
    accounts = ("CAMPAY_PASSWORD", "CAMPAY_WEBHOOK_KEY", "NOUPAY_API_KEY", "NOUPAY_WEBHOOK_SECRET")
    own = {name: f"{_DEMO}-{secrets.token_urlsafe(24)}" for name in (*accounts, "AFRICASTALKING_API_KEY")}
    return {
        "ENVIRONMENT": "demo",
        "SECRET_KEY": key,
        "USSD_SECRET": _DEMO,
        "SMS_SECRET": _DEMO,
        "PAYMENTS_SECRET": _DEMO,
        "SIM_SECRET": _DEMO,
        "CAMPAY_USERNAME": _DEMO,
        **own,
    }


def ussd_variables() -> dict[str, str]:
    """Every aggregator that the simulated networks can be, each behind a path that everybody knows."""
    from payments.simulator.aggregators import AGGREGATORS  # not needed by those who only read settings

    secrets = ",".join(f"{name}={_DEMO}" for name in AGGREGATORS)
    return {"USSD_DIALECTS": ",".join(AGGREGATORS), "USSD_SECRETS": secrets}


def _demo_secrets(settings: Settings) -> list[str]:
    values = msgspec.structs.asdict(settings).items()
    known = [name for name, value in values if isinstance(value, Secret) and value.startswith(_DEMO)]
    of_dialects = any(secret.startswith(_DEMO) for secret in pairs(settings.ussd_secrets).values())
    return [*known, "ussd_secrets"] if of_dialects else known
