"""The conversations of the product, each an async function that reads like the talk it holds.

`CONVERSATION` is what the engine runs.
"""

from uuid import UUID

import msgspec

from core.database import Tx
from marketplace.ordering import queries
from marketplace.ordering.queries import Standing
from marketplace.people import service as people
from menus_ussd.call import Call, End, Restart
from menus_ussd.engine import Caller, Conversation
from menus_ussd.journeys import home, more, policies, rating, register, resume
from payments import service as payments


async def conversation(call: Call) -> End:
    """From the first page to the last one."""
    if call.session.language is None:
        await more.choose_language(call)
        raise Restart
    standing = await call.look("standing", _standing, person_id=call.person_id, in_a_hurry=call.dialled_on)
    if end := await resume.offer(call, standing):
        return end
    if standing.to_rate:
        await rating.ask(call, standing.to_rate)
    if standing.may_register:
        await register.ask(call)
    return await home.home(call, standing)


async def _standing(tx: Tx, *, person_id: UUID, in_a_hurry: bool) -> Standing:
    """What there is of a caller; who has dialled on is asked for neither stars nor a PIN."""
    found = await queries.standing(tx, person_id=person_id)
    return msgspec.structs.replace(found, to_rate=None, may_register=False) if in_a_hurry else found


async def recognise(tx: Tx, phone: str) -> Caller:
    """Who dials; a payment prompt that waits for this handset is put off while it talks to us."""
    person = await people.recognise(tx, phone=phone)
    await payments.postpone(tx, phone=phone)
    return Caller(person.id, person.language)


CONVERSATION = Conversation(
    root=conversation,
    root_question="home",
    recognise=recognise,
    dial=resume.dialled,
    policy=policies.policy_of,
)
