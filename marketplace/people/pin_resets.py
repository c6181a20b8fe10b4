"""A forgotten PIN: a code by SMS proves the number, and the wallet rests for a day (docs/decisions/0018)."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, func, insert, select, update

from core import sealed
from core.crypto import same
from core.database import Tx
from core.ids import new_reference
from marketplace.notifications.rendering import Params, dial_of
from marketplace.notifications.service import notify
from marketplace.people import service as people
from marketplace.people.errors import CodeExpired, NoPin, PinResetsUsed, WalletResting, WrongCode
from marketplace.people.sim_freeze import require_same_sim
from marketplace.people.tables import person, pin_reset
from marketplace.people.tokens import end_sessions

DAY = timedelta(days=1)


async def ask(tx: Tx, *, person_id: UUID) -> None:
    """Send a code to the person's own number. Raises SimChanged, NoPin, PinResetsUsed."""
    await require_same_sim(tx, person_id=person_id)
    holder = await people.get(tx, person_id=person_id)
    if not holder.has_pin:
        raise NoPin()
    await tx.queue_up(f"pin_reset:{person_id}")
    recent = pin_reset.c.person_id == person_id, pin_reset.c.asked_at > tx.now - DAY
    if await tx.value(select(func.count()).where(*recent)) >= tx.settings.pin_resets_per_day:
        raise PinResetsUsed()
    reset_id, expires_at = new_reference(), tx.now + timedelta(minutes=tx.settings.pin_reset_minutes)
    row = {"id": reset_id, "person_id": person_id, "asked_at": tx.now, "expires_at": expires_at}
    await tx.run(insert(pin_reset).values(row))
    await notify(
        tx,
        phone=holder.phone,
        language=holder.language,
        key="sms.pin_code",
        params={"code": sealed.seal("pin_code", reset_id), "minutes": tx.settings.pin_reset_minutes},
        about=reset_id,
        useful_until=expires_at,
    )


async def waits(tx: Tx, *, person_id: UUID) -> bool:
    """Whether a code is out that can still be entered."""
    return await tx.first(_live(tx, person_id)) is not None


async def prove(tx: Tx, *, person_id: UUID, code: str) -> None:
    """Enter the newest code. A miss is counted although it raises. Raises WrongCode(left), CodeExpired."""
    found = await _locked(tx, person_id)
    mine = update(pin_reset).where(pin_reset.c.id == found.id)
    if not same(sealed.code(tx.keys, "pin_code", found.id), code.strip()):
        await tx.run(mine.values(tries=found.tries + 1))
        raise WrongCode(left=tx.settings.login_code_attempts - found.tries - 1)
    await tx.run(mine.values(proved_at=tx.now))


async def finish(tx: Tx, *, person_id: UUID, pin: str) -> None:
    """A new PIN after the code; every login ends, and the wallet rests. Raises WeakPin, CodeExpired, SimChanged."""
    await require_same_sim(tx, person_id=person_id)
    found = await _locked(tx, person_id)
    if found.proved_at is None:
        raise CodeExpired()
    await people.set_pin(tx, person_id=person_id, pin=pin)
    await tx.run(update(pin_reset).where(pin_reset.c.id == found.id).values(used_at=tx.now))
    await tx.run(update(person).where(person.c.id == person_id).values(pin_reset_at=tx.now))
    await end_sessions(tx, person_id=person_id)
    holder = await people.get(tx, person_id=person_id)
    params: Params = {"hours": tx.settings.pin_reset_freeze_hours, "dial": dial_of(tx.settings, "8")}
    await notify(tx, phone=holder.phone, language=holder.language, key="sms.pin_reset", params=params)


async def require_awake(tx: Tx, *, person_id: UUID) -> None:
    """Before wallet money leaves. Raises WalletResting(hours) for a day after a PIN was reset."""
    reset_at = await tx.value(select(person.c.pin_reset_at).where(person.c.id == person_id))
    if reset_at is None:
        return
    left = reset_at + timedelta(hours=tx.settings.pin_reset_freeze_hours) - tx.now
    if left > timedelta(0):
        raise WalletResting(hours=-(-left // timedelta(hours=1)))


async def _locked(tx: Tx, person_id: UUID) -> Row[Any]:
    """The newest live code, ours until the transaction ends."""
    found = await tx.first(_live(tx, person_id).with_for_update())
    if found is None:
        raise CodeExpired()
    return found


def _live(tx: Tx, person_id: UUID) -> Select[Any]:
    """The newest code, if it can still be used: an older one is void as soon as another was asked for."""
    newest = select(func.max(pin_reset.c.asked_at)).where(pin_reset.c.person_id == person_id).scalar_subquery()
    live = pin_reset.c.used_at.is_(None), pin_reset.c.expires_at > tx.now
    return (
        select(pin_reset)
        .where(pin_reset.c.person_id == person_id, pin_reset.c.asked_at == newest, *live)
        .where(pin_reset.c.tries < tx.settings.login_code_attempts)
    )
