"""Which restaurant a text is about, where its sender answers for several."""

from collections.abc import Mapping
from uuid import UUID

from channels.sms.commands import Command, Reading
from channels.sms.exchange import Reply, which
from core.database import Tx
from core.errors import NotFound
from marketplace.ordering import queries as orders
from marketplace.ordering.states import OPEN

Kitchens = Mapping[int, UUID]  # by their numbers


async def meant(tx: Tx, kitchens: Kitchens, command: Command, reading: Reading) -> UUID | Reply:
    """The restaurant, or the list of what the text could mean: nothing is guessed.

    `RESTO45 OUT 12` names it, and so does an open order's number. Raises NotFound for somebody else's.
    """
    if reading.kitchen is not None:
        if reading.kitchen not in kitchens:
            raise NotFound()
        return kitchens[reading.kitchen]
    if len(kitchens) == 1:
        return next(iter(kitchens.values()))
    if command.name == "answer_bare":
        return await _waiting(tx, kitchens, reading.parts["answer"])
    candidates = kitchens
    if "number" in reading.parts:
        candidates = await _with_order(tx, kitchens, int(reading.parts["number"])) or kitchens
    if len(candidates) == 1:
        return next(iter(candidates.values()))
    return which([f"RESTO{number} {reading.text}".upper() for number in candidates])


async def _waiting(tx: Tx, kitchens: Kitchens, answer: str) -> UUID | Reply:
    """A bare digit of somebody with several kitchens: even if one order waits, the next may be another kitchen's."""
    options = [
        f"{order.number} {answer}"
        for restaurant_id in kitchens.values()
        for order in await orders.at_restaurant(tx, restaurant_id=restaurant_id, states=("OFFERED",))
    ]
    return which(options) if options else next(iter(kitchens.values()))


async def _with_order(tx: Tx, kitchens: Kitchens, number: int) -> Kitchens:
    """Those that have an open order of this number: each counts its own."""
    found = {}
    for kitchen, restaurant_id in kitchens.items():
        order = await orders.find_by_number(tx, number=number, restaurant_id=restaurant_id)
        if order is not None and order.state in OPEN:
            found[kitchen] = restaurant_id
    return found
