"""Help: what can be dialled and texted, a call back, a complaint, and what became of it."""

from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

from core.clock import DOUALA
from marketplace.support import service as support
from marketplace.support.service import Case
from menus_ussd.call import Call, End
from menus_ussd.questions import Name, Option


async def help_(call: Call) -> End:
    """What the caller may want; their cases only when there are any."""
    cases = await call.look("help.cases", support.cases, person_id=call.person_id)
    topics = ["how", "call_back", "complaint", *(["cases"] if cases else [])]
    topic = await call.choose("help", [Option(call.say(f"ussd.help.{topic}"), topic) for topic in topics])
    return await (_list(call, cases) if topic == "cases" else TOPICS[topic](call))


async def _how(call: Call) -> End:
    settings = call.database.settings
    return End("ussd.help.text", {"service_code": settings.service_code, "short_code": settings.short_code})


async def _call_back(call: Call) -> End:
    case = await call.once("help.called_back", support.ask_call_back, person_id=call.person_id)
    return End("ussd.help.called_back", {"number": case.number})


async def _complain(call: Call) -> End:
    orders = await call.look("help.orders", support.complainable, person_id=call.person_id)
    if not orders:
        return End("ussd.help.no_orders")
    options = [Option(Name(f"{order.number} {order.restaurant_name}"), str(order.id)) for order in orders]
    chosen = await call.choose("help.which", options)
    order = next(one for one in orders if str(one.id) == chosen)
    return await complain_about(call, order_id=order.id, number=order.number)


async def complain_about(call: Call, *, order_id: UUID, number: int) -> End:
    """What is wrong with one order."""
    reasons = [Option(call.say(f"ussd.help.reason.{reason}"), reason) for reason in support.REASONS]
    reason = await call.choose("help.reason", reasons, number=number)
    case = await call.once(
        "help.complained", support.complain, person_id=call.person_id, order_id=order_id, reason=reason
    )
    return End("ussd.help.complained", {"number": case.number})


async def _list(call: Call, cases: Sequence[Case]) -> End:
    """A line each."""
    await call.choose("help.list", [], lines="\n".join(_line(call, case) for case in cases))
    raise AssertionError("a page without options has no answer")


def _line(call: Call, case: Case) -> str:
    """`104 Commande 4821, 21/11: en cours`"""
    about = call.say(f"ussd.help.case.{case.kind}", number=case.order_number)
    state = call.say("ussd.help.closed" if case.closed_at else "ussd.help.open")
    return f"{case.number} {about}, {case.opened_at.astimezone(DOUALA):%d/%m}: {state}"


TOPICS: dict[str, Callable[[Call], Awaitable[End]]] = {
    "how": _how,
    "call_back": _call_back,
    "complaint": _complain,
}
