"""Where to deliver: a saved place is one key; else quarter and landmark, which streets without names need."""

from core.database import Tx
from core.errors import InvalidInput
from core.remembered import remembered
from marketplace.places import queries as places
from marketplace.places import service
from marketplace.places.queries import Place
from menus_ussd.call import Call, End
from menus_ussd.questions import Menu, Name, Option

ELSEWHERE = 0  # no slot of a saved place


async def choose_place(call: Call, near_zone: int) -> Place:
    """One of the caller's saved places, or a new one."""
    saved = await call.look("place.saved", places.saved_places, person_id=call.person_id)
    if saved:
        options = [Option(Name(place.label), place.slot) for place in saved]
        slot = await call.choose("place", [*options, Option(call.say("ussd.option.elsewhere"), ELSEWHERE)], of=int)
        if slot != ELSEWHERE:
            return next(place.place for place in saved if place.slot == slot)
    return await _new_place(call, near_zone)


async def _new_place(call: Call, near_zone: int) -> Place:
    quarter = await _quarter(call, near_zone)
    landmark = await call.choose("place.landmark", _landmarks, quarter, of=int)
    return Place(quarter_id=quarter, landmark_id=landmark)


async def _quarter(call: Call, near_zone: int) -> int:
    """From the list near the restaurant, or by keying three letters of its name."""
    chosen = await call.choose_or_type("place.quarter", _near, near_zone)
    while isinstance(chosen, dict):
        chosen = await call.choose_or_type("place.found", _found, chosen["words"], words=chosen["words"])
    return int(chosen)


@remembered
async def _near(tx: Tx, zone_id: int) -> Menu:
    return Menu(Option(Name(quarter.name), quarter.id) for quarter in await places.quarters_near(tx, zone_id=zone_id))


async def _found(tx: Tx, words: str) -> list[Option]:
    return [Option(Name(quarter.name), quarter.id) for quarter in await places.search_quarters(tx, prefix=words)]


@remembered
async def _landmarks(tx: Tx, quarter_id: int) -> Menu:
    return Menu(Option(Name(place.name), place.id) for place in await places.landmarks(tx, quarter_id=quarter_id))


# ---- managing them ---------------------------------------------------------------------------------------


async def manage(call: Call) -> End:
    """The saved places: which comes first, what they are called, which go; and a new one."""
    saved = await call.look("places.saved", places.saved_places, person_id=call.person_id)
    options = [Option(Name(place.label), place.slot) for place in saved]
    slot = await call.choose("places", [*options, Option(call.say("ussd.option.add_place"), ELSEWHERE)], of=int)
    if slot == ELSEWHERE:
        return await _add(call)
    label = next(place.label for place in saved if place.slot == slot)
    actions = [Option(call.say(f"ussd.option.place_{action}"), action) for action in ("first", "name", "forget")]
    match await call.choose("places.one", actions, label=Name(label)):
        case "first":
            await call.once("places.prefer", service.prefer_place, person_id=call.person_id, slot=slot)
        case "name":
            name = await call.ask("places.name", _name, label=Name(label))
            await call.once("places.rename", service.name_place, person_id=call.person_id, slot=slot, name=name)
        case _:
            await call.confirm("places.forget", [Option(call.say("ussd.option.yes"), True)], label=Name(label))
            await call.once("places.forgotten", service.forget_place, person_id=call.person_id, slot=slot)
    return End("ussd.places.done")


async def _add(call: Call) -> End:
    place = await _new_place(call, near_zone=0)
    await call.once("places.add", service.remember_place, person_id=call.person_id, place=place)
    return End("ussd.places.done")


def _name(typed: str) -> str:
    """A name with a letter in it, so that nobody names a place by a mistyped digit."""
    if not any(character.isalpha() for character in typed):
        raise InvalidInput(field="name")
    return typed[: service.NAME_LENGTH].strip()
