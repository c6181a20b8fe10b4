"""Access tokens that prove a role for minutes, and refresh tokens that buy new ones, each of them once (D1)."""

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import jwt
import msgspec
from sqlalchemy import Row, func, insert, select, update

from core.crypto import Keyring
from core.database import Tx
from core.errors import Unauthenticated
from core.ids import new_id
from marketplace.people.errors import SessionEnded
from marketplace.people.tables import login_session, staff_user
from marketplace.people.tables import refresh_token as kept_token

# What each role may do (D24). Whoever proves a phone number is a customer here, even if they also cook or
# drive: restaurants and drivers work by SMS and USSD, where the number itself is the credential.
PERMISSIONS: dict[str, tuple[str, ...]] = {
    "customer": ("order", "wallet"),
    "support": (),
    "finance": ("reports",),
    "admin": ("reports",),
}


class Tokens(msgspec.Struct, frozen=True):
    """`expires_in_seconds` is the access token's; `person_id` is None for staff."""

    access_token: str
    refresh_token: str
    expires_in_seconds: int
    person_id: UUID | None


class Identity(msgspec.Struct, frozen=True):
    """Whom an access token speaks for: a person's id or a staff user's."""

    subject: UUID
    role: str
    permissions: tuple[str, ...]


async def open_customer_session(tx: Tx, *, person_id: UUID) -> Tokens:
    """A login by phone number: the first tokens of a new family."""
    return await _open(tx, role="customer", person_id=person_id)


async def open_staff_session(tx: Tx, *, staff_id: UUID, role: str) -> Tokens:
    """A login of a staff user: as above, but it ends when nobody refreshes for `staff_idle_minutes`."""
    return await _open(tx, role=role, staff_id=staff_id)


async def refresh(tx: Tx, *, refresh_token: str) -> Tokens:
    """New tokens for a refresh token, which is thereby used up. Raises SessionEnded.

    A used token may be shown again for a minute while nobody has used its successor: the answer was lost on
    the way. Any other second use means that somebody holds a copy, and ends the whole family.
    """
    shown = _hash(refresh_token)
    token = await _locked(tx, shown)
    if token is None or token.revoked_at is not None or token.expires_at <= tx.now or token.active is False:
        raise SessionEnded()
    if token.used_at is not None:
        await _give_up_successor(tx, token)
    fresh = await _keep_new_token(tx, token.session_id, _idle_time(tx, token.staff_id))
    marks = {"used_at": func.coalesce(kept_token.c.used_at, tx.now), "successor": _hash(fresh)}
    await tx.run(update(kept_token).where(kept_token.c.hash == shown).values(marks))
    return _tokens(tx, token.person_id, token.staff_id, token.role or "customer", fresh)


async def logout(tx: Tx, *, refresh_token: str) -> None:
    """End the family of this token; an unknown one has nothing to end."""
    family = select(kept_token.c.session_id).where(kept_token.c.hash == _hash(refresh_token))
    await _revoke(tx, login_session.c.id.in_(family))


async def end_sessions(tx: Tx, *, person_id: UUID) -> None:
    """End every login of this person; access tokens that are out run on for their minutes."""
    await _revoke(tx, login_session.c.person_id == person_id)


def read_access_token(keys: Keyring, token: str, now: datetime) -> Identity:
    """Whom the token speaks for. Raises Unauthenticated when it is not ours or has expired by `now`."""
    # The library compares times with the machine's clock; ours is the one that is handed in.
    options: Any = {"require": ["sub", "role", "permissions", "exp"], "verify_exp": False, "verify_iat": False}
    try:
        claims = jwt.decode(token, keys.token_key, algorithms=["HS256"], options=options)
    except jwt.InvalidTokenError:
        raise Unauthenticated() from None
    if claims["exp"] <= now.timestamp():
        raise Unauthenticated()
    return Identity(UUID(claims["sub"]), claims["role"], tuple(claims["permissions"]))


async def _open(tx: Tx, *, role: str, person_id: UUID | None = None, staff_id: UUID | None = None) -> Tokens:
    session_id = new_id()
    await tx.run(insert(login_session).values(id=session_id, person_id=person_id, staff_id=staff_id, started_at=tx.now))
    fresh = await _keep_new_token(tx, session_id, _idle_time(tx, staff_id))
    return _tokens(tx, person_id, staff_id, role, fresh)


async def _locked(tx: Tx, token_hash: bytes) -> Row[Any] | None:
    """The token with its family and its staff user, if any; one refresh of a family at a time."""
    return await tx.first(
        select(
            kept_token,
            login_session.c.person_id,
            login_session.c.staff_id,
            login_session.c.revoked_at,
            staff_user.c.role,
            staff_user.c.active,
        )
        .join_from(kept_token, login_session)
        .outerjoin(staff_user)
        .where(kept_token.c.hash == token_hash)
        .with_for_update(of=[kept_token, login_session], key_share=True)
    )


async def _give_up_successor(tx: Tx, token: Row[Any]) -> None:
    """Of two successors only the newer may live on; one that was used ends the family."""
    until = token.used_at + timedelta(seconds=tx.settings.refresh_grace_seconds)
    unused = (kept_token.c.hash == token.successor) & kept_token.c.used_at.is_(None)
    if tx.now > until or await tx.run(update(kept_token).where(unused).values(used_at=tx.now)) == 0:
        await _revoke(tx, login_session.c.id == token.session_id)
        raise SessionEnded()


async def _revoke(tx: Tx, which: Any) -> None:
    await tx.run(update(login_session).where(which, login_session.c.revoked_at.is_(None)).values(revoked_at=tx.now))


def _idle_time(tx: Tx, staff_id: UUID | None) -> timedelta:
    """How long a family lives without a refresh: staff log in again after an idle hour (D2)."""
    if staff_id is not None:
        return timedelta(minutes=tx.settings.staff_idle_minutes)
    return timedelta(days=tx.settings.refresh_token_days)


async def _keep_new_token(tx: Tx, session_id: UUID, life_time: timedelta) -> str:
    fresh = secrets.token_urlsafe(32)
    row = {"hash": _hash(fresh), "session_id": session_id, "expires_at": tx.now + life_time}
    await tx.run(insert(kept_token).values(row))
    return fresh


def _tokens(tx: Tx, person_id: UUID | None, staff_id: UUID | None, role: str, refresh_token: str) -> Tokens:
    seconds = tx.settings.access_token_minutes * 60
    claims = {
        "sub": str(person_id or staff_id),
        "role": role,
        "permissions": PERMISSIONS[role],
        "exp": int(tx.now.timestamp()) + seconds,
    }
    return Tokens(jwt.encode(claims, tx.keys.token_key, algorithm="HS256"), refresh_token, seconds, person_id)


def _hash(refresh_token: str) -> bytes:
    return hashlib.sha256(refresh_token.encode()).digest()
