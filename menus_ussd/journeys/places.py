"""Where to deliver: a saved place is one key; else quarter and landmark, which streets without names need."""

from core.database import Tx
from core.remembered import remembered
from marketplace.places import queries as places
from marketplace.places.queries import Place
from menus_ussd.call import Call
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
