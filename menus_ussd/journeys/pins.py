"""The PIN: asked last, only where wallet money moves, and never kept (D5)."""

from collections.abc import Awaitable, Callable
from uuid import UUID

from core.database import Tx
from marketplace.people import pins
from marketplace.people import service as people
from menus_ussd.call import Call

Verify = Callable[[str, str], Awaitable[None]]


async def enter_pin(call: Call) -> None:
    """Have the caller's PIN checked; who has none yet chooses one."""
    if await _has_pin(call):
        await call.secret("pin.enter", _checked(call))
    else:
        await call.secret("pin.choose", _kept(call, first=True))


async def change_pin(call: Call) -> None:
    """A new PIN, after the old one if there is one. The network shows it as it is typed, so it is asked once."""
    known = await _has_pin(call)
    if known:
        await call.secret("pin.enter", _checked(call))
    await call.secret("pin.choose", _kept(call, first=not known))


async def _has_pin(call: Call) -> bool:
    return await call.look("pin.is_set", _pin_is_set, person_id=call.person_id)


async def _pin_is_set(tx: Tx, *, person_id: UUID) -> bool:
    return (await people.get(tx, person_id=person_id)).has_pin


def _checked(call: Call) -> Verify:
    async def check(digits: str, attempt: str) -> None:
        await pins.check_pin(call.database, person_id=call.person_id, pin=digits, attempt=attempt)

    return check


def _kept(call: Call, *, first: bool) -> Verify:
    async def keep(digits: str, _attempt: str) -> None:
        async with call.database.transaction() as tx:
            await people.set_pin(tx, person_id=call.person_id, pin=digits, first=first)

    return keep
