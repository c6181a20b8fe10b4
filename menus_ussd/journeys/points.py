"""Points: how many there are, what the next tier takes, and turning them into wallet money."""

from collections.abc import Callable

from core.errors import InvalidAmount
from core.money import format_xaf, parse_xaf
from marketplace.loyalty import redeeming
from marketplace.loyalty import service as loyalty
from marketplace.loyalty.errors import NotEnoughPoints
from menus_ussd.call import Call, End
from menus_ussd.journeys.pins import enter_pin
from menus_ussd.questions import Option


async def points(call: Call) -> End:
    """Points and tier; who has points may redeem them."""
    held = await call.look("points.standing", loyalty.standing, person_id=call.person_id)
    options = [Option(call.say("ussd.option.redeem"), "redeem")] if held.points else []
    facts: dict[str, object] = {"points": held.points, "tier": call.say(f"ussd.tier.{held.tier.name}")}
    if held.next_tier:
        above = call.say(f"ussd.tier.{held.next_tier.name}")
        await call.choose("points", options, missing=held.next_tier.missing, above=above, **facts)
    else:
        await call.choose("points.top", options, **facts)
    return await _redeem(call, held.points)


async def _redeem(call: Call, held: int) -> End:
    count = await call.ask("points.count", _at_most(held), points=held)
    amount = format_xaf(count * call.database.settings.point_worth_xaf)
    await call.confirm("points.confirm", [Option(call.say("ussd.option.yes"), True)], points=count, amount=amount)
    await enter_pin(call)
    redeemed = await call.once(
        "points.redeem",
        redeeming.redeem,
        person_id=call.person_id,
        points=count,
        key=f"ussd:{call.session.run_id}",
    )
    return End("ussd.points.done", {"points": redeemed.points, "amount": format_xaf(redeemed.amount_xaf)})


def _at_most(held: int) -> Callable[[str], int]:
    """Reads a number of points. Raises InvalidAmount, or NotEnoughPoints beyond those that there are."""

    def parse(typed: str) -> int:
        if not typed.isascii() or not typed.isdigit():
            raise InvalidAmount()
        count = parse_xaf(typed)
        if count > held:
            raise NotEnoughPoints()
        return count

    return parse
