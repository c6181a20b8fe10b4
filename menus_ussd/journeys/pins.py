"""The PIN: asked last, only where wallet money moves, and never kept (D5)."""

from collections.abc import Awaitable, Callable
from uuid import UUID

from core.database import Tx
from marketplace.people import pin_resets, pins
from marketplace.people import service as people
from menus_ussd.call import Call, End
from menus_ussd.questions import Option

Verify = Callable[[str, str], Awaitable[None]]


async def enter_pin(call: Call) -> None:
    """Have the caller's PIN checked; who has none yet chooses one."""
    if await _has_pin(call):
        await call.secret("pin.enter", _checked(call))
    else:
        await choose_first_pin(call)


async def choose_first_pin(call: Call) -> None:
    """From here on the caller is a registered customer."""
    await call.secret("pin.choose", _kept(call, first=True))


async def pin(call: Call) -> End:
    """A first PIN, another one, or a new one for who has forgotten theirs.

    The network shows it as it is typed, so it is asked once.
    """
    if not await _has_pin(call):
        await choose_first_pin(call)
        return End("ussd.pin.done")
    asked = await call.look("pin.waits", pin_resets.waits, person_id=call.person_id)
    actions = ("code", "change") if asked else ("change", "forgotten")
    match await call.choose("pin", [Option(call.say(f"ussd.option.pin_{action}"), action) for action in actions]):
        case "forgotten":
            await call.once("pin.reset", pin_resets.ask, person_id=call.person_id)
            return End("ussd.pin.code_sent", {"service_code": call.database.settings.service_code})
        case "code":
            await call.secret("pin.code", _proved(call))
            await call.secret("pin.choose", _reset(call))
            return End("ussd.pin.reset", {"hours": call.database.settings.pin_reset_freeze_hours})
        case _:
            await call.secret("pin.enter", _checked(call))
            await call.secret("pin.choose", _kept(call, first=False))
            return End("ussd.pin.done")


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


def _proved(call: Call) -> Verify:
    async def prove(digits: str, _attempt: str) -> None:
        async with call.database.transaction() as tx:
            await pin_resets.prove(tx, person_id=call.person_id, code=digits)

    return prove


def _reset(call: Call) -> Verify:
    async def reset(digits: str, _attempt: str) -> None:
        async with call.database.transaction() as tx:
            await pin_resets.finish(tx, person_id=call.person_id, pin=digits)

    return reset
