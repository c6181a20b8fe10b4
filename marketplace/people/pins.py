"""PINs: which are too weak, and how misses are counted (D5)."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, insert, select, update

from core.database import Database, Tx
from core.errors import GatewayError, NotFound
from marketplace.people.errors import NoPin, PinLocked, WeakPin, WrongPin
from marketplace.people.hashing import pin_matches
from marketplace.people.lockout import locked_until, minutes_left
from marketplace.people.tables import person, pin_miss

REPEATS_WITHIN = timedelta(days=1)

_UP = "01234567890"
_DOWN = _UP[::-1]


def refuse_weak(pin: str, *, this_year: int) -> None:
    """Raises WeakPin unless `pin` is 4 to 6 digits that are no birth year, repetition or run."""
    if not (pin.isascii() and pin.isdigit() and 4 <= len(pin) <= 6):
        raise WeakPin()
    birth_year = len(pin) == 4 and 1900 <= int(pin) <= this_year
    if birth_year or pin in _UP or pin in _DOWN or _repeats(pin):
        raise WeakPin()


def _repeats(pin: str) -> bool:
    """Whether a block makes up the whole PIN: 0000, 1212, 123123."""
    return pin in (pin + pin)[1:-1]


async def check_pin(database: Database, *, person_id: UUID, pin: str, attempt: str) -> None:
    """Return if `pin` is the person's; else count the miss and raise.

    `attempt` names the request: the same request again gets the same answer and counts once. Hashes with no
    connection held. Raises WrongPin(left), PinLocked(minutes) or NoPin.
    """
    key = _attempt_key(database, person_id, attempt, pin)
    async with database.reading() as tx:
        stored = await _answered_before(tx, person_id, key)
    matched = await pin_matches(database.settings, database.keys, stored, pin)
    async with database.transaction() as tx:
        await _record(tx, person_id, key, matched)


def _attempt_key(database: Database, person_id: UUID, attempt: str, pin: str) -> bytes:
    """Another PIN under the same name is another attempt: who names the request must not guess for free."""
    return bytes.fromhex(database.keys.fingerprint("pin", str(person_id), attempt, pin))


async def _answered_before(tx: Tx, person_id: UUID, key: bytes) -> str:
    """The hash to compare with, unless this request has its answer already or no try is taken now."""
    row = await tx.first(select(person.c.pin_hash, person.c.pin_locked_until).where(person.c.id == person_id))
    if row is None:
        raise NotFound()
    if row.pin_hash is None:
        raise NoPin()
    await _repeat_answer(tx, key)
    if minutes := minutes_left(tx.now, row.pin_locked_until):
        raise PinLocked(minutes=minutes)
    return str(row.pin_hash)


async def _repeat_answer(tx: Tx, key: bytes) -> None:
    """Raises what this request was told the first time, if it was a miss."""
    miss = await tx.first(select(pin_miss.c.tries_left, pin_miss.c.locked_until).where(pin_miss.c.attempt == key))
    if miss is not None:
        raise _refusal(tx.now, miss.tries_left, miss.locked_until)


def _refusal(now: datetime, left: int, until: datetime | None) -> GatewayError:
    return WrongPin(left=left) if until is None else PinLocked(minutes=max(1, minutes_left(now, until)))


async def _record(tx: Tx, person_id: UUID, key: bytes, matched: bool) -> None:
    """Under the person's lock, so that a hundred guesses at once are still counted one by one."""
    mine = person.c.id == person_id
    locked = select(person.c.pin_misses, person.c.pin_locked_until).where(mine).with_for_update(key_share=True)
    row = await tx.one(locked)
    await _repeat_answer(tx, key)
    if minutes := minutes_left(tx.now, row.pin_locked_until):
        raise PinLocked(minutes=minutes)
    if matched:
        await tx.run(update(person).where(mine, person.c.pin_misses > 0).values(pin_misses=0, pin_locked_until=None))
        return
    misses, allowed = row.pin_misses + 1, tx.settings.pin_attempts
    left, until = max(0, allowed - misses), locked_until(tx.now, misses=misses, allowed=allowed)
    await tx.run(update(person).where(mine).values(pin_misses=misses, pin_locked_until=until))
    await _remember(tx, person_id, attempt=key, tries_left=left, locked_until=until)
    raise _refusal(tx.now, left, until)


async def _remember(tx: Tx, person_id: UUID, **miss: object) -> None:
    """Keep the miss for its repeats; those of yesterday have none any more."""
    await tx.run(delete(pin_miss).where(pin_miss.c.person_id == person_id, pin_miss.c.at < tx.now - REPEATS_WITHIN))
    await tx.run(insert(pin_miss).values(person_id=person_id, at=tx.now, **miss))
