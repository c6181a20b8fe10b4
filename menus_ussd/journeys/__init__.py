"""The conversations of the product, each an async function that reads like the talk it holds.

`CONVERSATION` is what the engine runs.
"""

from core.database import Tx
from marketplace.ordering import queries
from marketplace.people import service as people
from menus_ussd.call import Call, End, Restart
from menus_ussd.engine import Caller, Conversation
from menus_ussd.journeys import dial, home, more, resume
from payments import service as payments


async def conversation(call: Call) -> End:
    """From the first page to the last one."""
    if call.session.language is None:
        await more.choose_language(call)
        raise Restart
    standing = await call.look("standing", queries.standing, person_id=call.person_id)
    return await resume.offer(call, standing) or await home.home(call, standing)


async def recognise(tx: Tx, phone: str) -> Caller:
    """Who dials; a payment prompt that waits for this handset is put off while it talks to us."""
    person = await people.recognise(tx, phone=phone)
    await payments.postpone(tx, phone=phone)
    return Caller(person.id, person.language)


CONVERSATION = Conversation(root=conversation, root_question="home", recognise=recognise, dial=dial.presets)
