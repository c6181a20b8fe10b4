"""Logging in: a phone number proved by a code that was sent to it, or a staff user's password.

The one door for channels: what belongs to tokens and staff is offered here too.
"""

from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Row, delete, insert, select, update

from core import sealed
from core.crypto import same
from core.database import Database, Tx
from core.ids import new_reference
from marketplace.notifications.service import notify
from marketplace.people import service as people
from marketplace.people.errors import CodeExpired, WrongCode
from marketplace.people.staff import staff_login
from marketplace.people.tables import login_challenge, pin_reset
from marketplace.people.tokens import Identity, Tokens, logout, open_customer_session, read_access_token, refresh

__all__ = [
    "Challenge",
    "Identity",
    "Tokens",
    "finish",
    "logout",
    "read_access_token",
    "refresh",
    "staff_login",
    "start",
    "sweep",
]

# How long a challenge is kept after its code has run out: long enough to say "expired" to a slow thumb.
KEPT = timedelta(days=1)


class Challenge(msgspec.Struct, frozen=True):
    """A code is on its way by SMS; it answers this challenge only."""

    id: UUID
    expires_in_seconds: int


async def start(tx: Tx, *, phone: str, channel_language: str | None = None) -> Challenge:
    """Send a 6-digit code to `phone` (E.164), in the person's language or else the channel's."""
    challenge_id = new_reference()
    seconds = tx.settings.login_code_seconds
    expires_at = tx.now + timedelta(seconds=seconds)
    row = {"id": challenge_id, "phone": tx.keys.encrypt(phone), "expires_at": expires_at}
    await tx.run(insert(login_challenge).values(row))
    person = await people.find(tx, phone=phone)
    await notify(
        tx,
        phone=phone,
        language=(person and person.language) or channel_language,
        key="sms.login_code",
        params={"code": sealed.seal("login_code", challenge_id)},
        about=challenge_id,
        useful_until=expires_at,
    )
    return Challenge(challenge_id, seconds)


async def finish(tx: Tx, *, challenge_id: UUID, code: str) -> Tokens:
    """Tokens for the person whose phone got the code; made known to us by it if need be.

    A miss is counted although it raises. Raises WrongCode(left) or CodeExpired.
    """
    challenge = await _live(tx, challenge_id)
    if not same(sealed.code(tx.keys, "login_code", challenge_id), code.strip()):
        tries = challenge.tries + 1
        await tx.run(update(login_challenge).where(login_challenge.c.id == challenge_id).values(tries=tries))
        raise WrongCode(left=tx.settings.login_code_attempts - tries)
    await tx.run(update(login_challenge).where(login_challenge.c.id == challenge_id).values(used_at=tx.now))
    person = await people.recognise(tx, phone=tx.keys.decrypt(challenge.phone))
    return await open_customer_session(tx, person_id=person.id)


async def sweep(database: Database) -> int:
    """Forget the challenges, and the codes for a new PIN, that nobody can answer any more; how many."""
    async with database.transaction() as tx:
        over = await tx.run(delete(login_challenge).where(login_challenge.c.expires_at < tx.now - KEPT))
        return over + await tx.run(delete(pin_reset).where(pin_reset.c.expires_at < tx.now - KEPT))


async def _live(tx: Tx, challenge_id: UUID) -> Row[Any]:
    """The challenge, locked, if it can still be answered."""
    challenge = await tx.first(select(login_challenge).where(login_challenge.c.id == challenge_id).with_for_update())
    if challenge is None or challenge.used_at is not None or challenge.expires_at <= tx.now:
        raise CodeExpired()
    if challenge.tries >= tx.settings.login_code_attempts:
        raise CodeExpired()
    return challenge
