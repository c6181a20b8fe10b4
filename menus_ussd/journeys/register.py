"""A guest who has been brought a meal may become a registered customer: asked once by itself, later under PIN."""

from marketplace.people import guests
from menus_ussd.call import Call, Restart
from menus_ussd.journeys.pins import choose_first_pin
from menus_ussd.questions import Option


async def ask(call: Call) -> None:
    """One page that comes by itself and can be skipped; the talk goes on behind it."""
    if not await call.draft("register.asks", guests.ask, person_id=call.person_id):
        return
    call.enter("register")
    options = [Option(call.say("ussd.option.register"), True), Option(call.say("ussd.rating.later"), False)]
    if await call.choose("register", options, of=bool):
        await choose_first_pin(call)
        raise Restart  # or what is said from here on would end, when the call drops, at a PIN that is there already
