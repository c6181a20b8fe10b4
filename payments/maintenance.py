"""Taking a provider, or one carrier of it, out of use: no new money goes there, and what was sent is read on."""

from datetime import datetime

import msgspec
from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert

from core.database import Tx
from core.settings import Settings
from payments.tables import provider_maintenance

ALL_CARRIERS = "*"


class Away(msgspec.Struct, frozen=True):
    """A provider out of use; `carrier` is None for all of its carriers, `since` None where the settings say so."""

    provider: str
    carrier: str | None
    since: datetime | None


async def set(tx: Tx, *, provider: str, carrier: str | None = None, on: bool) -> None:
    """Begin or end maintenance of a provider, or of one of its carriers alone. Doing it twice changes nothing."""
    named = {"provider": provider, "carrier": carrier or ALL_CARRIERS}
    if on:
        await tx.run(insert(provider_maintenance).values(**named, since=tx.now).on_conflict_do_nothing())
    else:
        of = provider_maintenance.c
        await tx.run(delete(provider_maintenance).where(*(of[name] == value for name, value in named.items())))


async def current(tx: Tx) -> list[Away]:
    """All that is out of use, by the settings first."""
    columns = provider_maintenance.c
    rows = await tx.all(select(provider_maintenance).order_by(columns.provider, columns.carrier))
    by_command = [Away(row.provider, None if row.carrier == ALL_CARRIERS else row.carrier, row.since) for row in rows]
    return [*(_parsed(entry) for entry in tx.settings.maintenance), *by_command]


def by_settings(settings: Settings, provider: str, carrier: str) -> bool:
    """Whether the settings take this provider out of use for `carrier`."""
    return provider in settings.maintenance or f"{provider}:{carrier}" in settings.maintenance


def _parsed(entry: str) -> Away:
    provider, _, carrier = entry.partition(":")
    return Away(provider, carrier or None, None)
