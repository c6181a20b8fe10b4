"""Staff users: a password for everyone, and a one-time code for whoever sees money (D24)."""

from typing import Any
from uuid import UUID

import pyotp
from sqlalchemy import Row, insert, select, update

from core.crypto import same
from core.database import Database, Tx
from core.ids import new_id
from marketplace.people.errors import StaffLocked, WrongPassword
from marketplace.people.hashing import hash_password, password_matches
from marketplace.people.lockout import locked_until, minutes_left
from marketplace.people.tables import staff_user
from marketplace.people.tokens import Tokens, open_staff_session

STEP_SECONDS = 30


async def add_staff(tx: Tx, *, username: str, role: str, password: str, totp_secret: str | None) -> UUID:
    """A new staff user; the database refuses finance and admin without a TOTP secret (base32)."""
    staff_id = new_id()
    row = {
        "id": staff_id,
        "username": username,
        "role": role,
        "password_hash": await hash_password(tx.settings, password),
        "totp_secret": tx.keys.encrypt(totp_secret) if totp_secret else None,
        "created_at": tx.now,
    }
    await tx.run(insert(staff_user).values(row))
    return staff_id


async def staff_login(database: Database, *, username: str, password: str, totp: str) -> Tokens:
    """Tokens for the right user name, password and current one-time code, which works once.

    Hashes with no connection held. Raises WrongPassword, or StaffLocked(minutes) after too many of them.
    """
    known = staff_user.c.username == username
    async with database.reading() as tx:
        stored = await tx.value(select(staff_user.c.password_hash).where(known, staff_user.c.active))
    matched = await password_matches(database.settings, stored, password)
    if stored is None:
        raise WrongPassword()
    async with database.transaction() as tx:
        user = await tx.one(select(staff_user).where(known).with_for_update(key_share=True))
        if minutes := minutes_left(tx.now, user.locked_until):
            raise StaffLocked(minutes=minutes)
        step = _totp_step(tx, user, totp)
        if not matched or step is None:
            await _count_miss(tx, user)
            raise WrongPassword()
        await _set(tx, user, misses=0, locked_until=None, totp_step=step)
        return await open_staff_session(tx, staff_id=user.id, role=user.role)


async def usernames(tx: Tx) -> dict[UUID, str]:
    """What every staff user is called, also those who have left."""
    return {row.id: row.username for row in await tx.all(select(staff_user.c.id, staff_user.c.username))}


def _totp_step(tx: Tx, user: Row[Any], code: str) -> int | None:
    """The time step that `code` belongs to; None if it is wrong or was used. A phone may be half a minute off."""
    if user.totp_secret is None:
        return int(user.totp_step)
    totp = pyotp.TOTP(tx.keys.decrypt(user.totp_secret), interval=STEP_SECONDS)
    present = int(tx.now.timestamp()) // STEP_SECONDS
    steps = [step for step in (present - 1, present, present + 1) if same(totp.generate_otp(step), code)]
    return next((step for step in steps if step > user.totp_step), None)


async def _count_miss(tx: Tx, user: Row[Any]) -> None:
    misses = user.misses + 1
    until = locked_until(tx.now, misses=misses, allowed=tx.settings.pin_attempts)
    await _set(tx, user, misses=misses, locked_until=until)


async def _set(tx: Tx, user: Row[Any], **values: object) -> None:
    await tx.run(update(staff_user).where(staff_user.c.id == user.id).values(**values))
