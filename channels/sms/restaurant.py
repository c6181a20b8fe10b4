"""What a restaurant's phone says by SMS."""

from uuid import UUID

from channels.sms.exchange import Ask, Reply, which
from core.errors import NotFound
from marketplace.catalogue import service as catalogue
from marketplace.ordering import queries as orders
from marketplace.ordering import service as ordering

ACCEPT_MINUTES = dict(zip("12", ordering.USUAL_MINUTES, strict=True))


async def answer(ask: Ask) -> Reply:
    """`4821 1`, `4821 2`, `4821 0`: ready in 20 minutes, in 40, or not at all."""
    order = await orders.find_by_number(ask.tx, number=ask.number, restaurant_id=ask.subject_id)
    if order is None:
        raise NotFound()
    return await _answer(ask, order.id, order.number)


async def answer_bare(ask: Ask) -> Reply:
    """`1`, `2`, `0`, while one order waits; else the list of what it could mean."""
    waiting = await _waiting(ask)
    match waiting:
        case []:
            return Reply("sms.nothing_waits", changed=False)
        case [(order_id, number)]:
            return await _answer(ask, order_id, number)
        case _:
            return which([f"{number} {ask.parts['answer']}" for _, number in waiting])


async def answer_bare_again(ask: Ask, earlier: Reply) -> Reply:
    """A second bare digit within a minute: a nervous thumb, or meant for the next order? It says so itself."""
    waiting = await _waiting(ask)
    if not waiting:
        return earlier
    number = waiting[0][1]
    return Reply(
        "sms.answered_next",
        {"number": earlier.params["number"], "next": number, "answer": ask.parts["answer"]},
        changed=False,
    )


async def ready(ask: Ask) -> Reply:
    """`PRET 4821`"""
    order = await orders.find_by_number(ask.tx, number=ask.number, restaurant_id=ask.subject_id)
    if order is None:
        raise NotFound()
    await ordering.ready(ask.tx, order_id=order.id, by_person=ask.person.id)
    return Reply("sms.ready_noted", {"number": order.number})


async def dish_out(ask: Ask) -> Reply:
    """`OUT 12`"""
    return await _dish(ask, available=False)


async def dish_in(ask: Ask) -> Reply:
    """`IN 12`"""
    return await _dish(ask, available=True)


async def busy(ask: Ask) -> Reply:
    """`OCC 30`: no new orders for so many minutes."""
    minutes = int(ask.parts["minutes"])
    await catalogue.pause(ask.tx, restaurant_id=ask.subject_id, minutes=minutes)
    return Reply("sms.busy", {"minutes": minutes})


async def reopen(ask: Ask) -> Reply:
    """`OUVERT`"""
    await catalogue.set_state(ask.tx, restaurant_id=ask.subject_id, state="open")
    return Reply("sms.open")


async def close(ask: Ask) -> Reply:
    """`FERME`"""
    await catalogue.set_state(ask.tx, restaurant_id=ask.subject_id, state="closed")
    return Reply("sms.closed")


async def _waiting(ask: Ask) -> list[tuple[UUID, int]]:
    waiting = await orders.at_restaurant(ask.tx, restaurant_id=ask.subject_id, states=("OFFERED",))
    return [(order.id, order.number) for order in waiting]


async def _answer(ask: Ask, order_id: UUID, number: int) -> Reply:
    minutes = ACCEPT_MINUTES.get(ask.parts["answer"])
    if minutes is None:
        await ordering.refuse(ask.tx, order_id=order_id, by_person=ask.person.id)
        return Reply("sms.answered_no", {"number": number})
    await ordering.accept(ask.tx, order_id=order_id, minutes=minutes, by_person=ask.person.id)
    return Reply("sms.answered", {"number": number, "minutes": minutes})


async def _dish(ask: Ask, *, available: bool) -> Reply:
    number = int(ask.parts["dish"])
    await catalogue.set_available(ask.tx, restaurant_id=ask.subject_id, dish_number=number, available=available)
    return Reply("sms.dish_in" if available else "sms.dish_out", {"dish": number})
