"""Language, places, stars, PIN and help."""

from collections.abc import Awaitable, Callable

from core.texts import LANGUAGES, say
from marketplace.people import service as people
from menus_ussd.call import Call, End, Restart
from menus_ussd.journeys import pins, places, rating
from menus_ussd.journeys.help import help_
from menus_ussd.questions import Option


async def choose_language(call: Call) -> None:
    """Ask once, remember, and begin again in that language."""
    language = await call.confirm("language", [Option(say(code, "ussd.language.name"), code) for code in LANGUAGES])
    await call.once("language.set", people.choose_language, person_id=call.person_id, language=language)
    call.session.language = language
    raise Restart


async def more(call: Call) -> End:
    """What is seldom needed."""
    topics = [Option(call.say(f"ussd.more.{topic}"), topic) for topic in ("language", "pin", "help", "places", "rate")]
    topic = await call.choose("more", topics)
    if topic == "language":
        await choose_language(call)
    call.enter(f"more.{topic}")
    return await TOPICS[topic](call)


TOPICS: dict[str, Callable[[Call], Awaitable[End]]] = {
    "places": places.manage,
    "rate": rating.rate,
    "pin": pins.pin,
    "help": help_,
}
