"""Promises: a caller was told "an SMS follows", and exactly one follows, whatever dies meanwhile.

A turn that cannot wait for its effect writes a promise in a transaction of its own, and the effect goes on. Whoever
keeps the promise looks for the effect's key: if it is there, the effect is committed. If it is not there in time, the
keeper writes the key itself, marked as foreclosed, and the effect can never happen. The unique key decides between
the two, and the SMS is written in the transaction that decides.
"""

from datetime import timedelta
from typing import Any
from uuid import UUID

from msgspec import Struct
from sqlalchemy import Row, select, text, update
from sqlalchemy.dialects.postgresql import insert

from core import effects
from core.clock import DOUALA
from core.database import Database, Tx
from core.drivers import waited_in_vain
from core.ids import new_id
from core.logs import logger
from marketplace.notifications.service import notify
from marketplace.notifications.tables import promise
from marketplace.people import service as people

BATCH = 50

# An effect that is being committed is asked about again at the next sweep, rather than waited for.
_BRIEFLY = text("SET LOCAL lock_timeout = '300ms'")

log = logger(__name__)


class Told(Struct, frozen=True):
    """The texts of a promise: `failed` with `time` and `dial`, `done` with those `fields` of the effect's result.

    Without `done` the effect tells of itself.
    """

    failed: str
    done: str | None = None
    fields: tuple[str, ...] = ()


async def make(tx: Tx, *, key: str, person_id: UUID, told: Told) -> None:
    """Promise to tell this person what becomes of the effect of `key`. A second time it changes nothing."""
    gives_up_at = tx.now + timedelta(seconds=tx.settings.ussd_outcome_seconds)
    row = {"id": new_id(), "key": key, "person_id": person_id, "made_at": tx.now, "gives_up_at": gives_up_at}
    texts = {"done_key": told.done, "failed_key": told.failed, "fields": list(told.fields)}
    await tx.run(insert(promise).values(**row, **texts).on_conflict_do_nothing())


async def sweep(database: Database) -> int:
    """Keep what can be kept; how many promises were open."""
    waiting = select(promise.c.key).where(promise.c.gives_up_at.is_not(None)).order_by(promise.c.gives_up_at)
    async with database.reading() as tx:
        keys = [row.key for row in await tx.all(waiting.limit(BATCH))]
    for key in keys:
        try:
            await keep(database, key=key)
        except Exception as problem:  # one promise's trouble must not stop the others; it comes round again
            if not waited_in_vain(problem):
                log.exception("promise_not_kept")
    return len(keys)


async def keep(database: Database, *, key: str, over: bool = False) -> None:
    """Tell what became of the effect, if that is certain or can be made so. `over`: nobody tries any more.

    Raises what `core.drivers.waited_in_vain` knows while the effect is under way.
    """
    async with database.transaction() as tx:
        await tx.execute(_BRIEFLY)
        open_one = promise.c.key == key, promise.c.gives_up_at.is_not(None)
        made = await tx.first(select(promise).where(*open_one).with_for_update(skip_locked=True))
        if made is None:
            return
        if await effects.happened(tx, key):
            await _tell_done(tx, made)
        elif (over or made.gives_up_at <= tx.now) and await effects.foreclose(tx, key):
            await _tell_failed(tx, made)
        # Of an effect that was committed between our two looks, the next sweep tells.


async def _tell_done(tx: Tx, made: Row[Any]) -> None:
    result = await effects.recall(tx, made.key)
    await _settle(tx, made, "done")
    if made.done_key:
        await _tell(tx, made, made.done_key, {field: result[field] for field in made.fields})


async def _tell_failed(tx: Tx, made: Row[Any]) -> None:
    """With the time at which it was asked for: its caller may have tried again since."""
    await _settle(tx, made, "failed")
    asked = made.made_at.astimezone(DOUALA).strftime("%H:%M")
    await _tell(tx, made, made.failed_key, {"time": asked, "dial": tx.settings.service_code})


async def _settle(tx: Tx, made: Row[Any], outcome: str) -> None:
    await tx.run(update(promise).where(promise.c.id == made.id).values(outcome=outcome, gives_up_at=None))


async def _tell(tx: Tx, made: Row[Any], text_key: str, params: dict[str, Any]) -> None:
    person = await people.get(tx, person_id=made.person_id)
    await notify(tx, phone=person.phone, language=person.language, key=text_key, params=params, about=made.id)
