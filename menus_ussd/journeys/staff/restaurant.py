"""A restaurant's menu: its orders, whether it takes more, its dishes and prices, its money."""

from uuid import UUID

from core.database import Tx
from core.money import format_xaf
from marketplace.catalogue import queries as catalogue
from marketplace.catalogue import service
from marketplace.finance import earned
from marketplace.ordering import queries as ordering
from menus_ussd.call import Call, End
from menus_ussd.journeys.staff.dishes import availability, prices
from menus_ussd.journeys.staff.money import payout
from menus_ussd.journeys.staff.orders import AT_WORK, orders
from menus_ussd.questions import Name, Option

BUSY_MINUTES = (30, 60)


async def restaurant(call: Call, restaurant_id: UUID) -> End:
    """What can be done for one restaurant."""
    kitchen = await call.look("staff.kitchen", catalogue.get_restaurant, restaurant_id=restaurant_id)
    at_work = await call.look("staff.at_work", _at_work, restaurant_id=restaurant_id)
    options = [
        Option(call.say("ussd.staff.option.orders", count=at_work), "orders"),
        *(
            Option(call.say(f"ussd.staff.option.{topic}"), topic)
            for topic in ("state", "dishes", "prices", "money", "today")
        ),
    ]
    state = call.say(f"ussd.staff.state.{kitchen.state}")
    match await call.choose("staff.restaurant", options, restaurant=Name(kitchen.name), state=state):
        case "orders" if not at_work:
            await call.choose("staff.no_orders", [])
            raise AssertionError("a menu without lines has no answer")
        case "orders":
            return await orders(call, restaurant_id)
        case "state":
            return await _state(call, restaurant_id, state)
        case "dishes":
            return await availability(call, restaurant_id)
        case "prices":
            return await prices(call, restaurant_id)
        case "money":
            return await payout(call, "restaurant", restaurant_id)
        case _:
            return await _today(call, restaurant_id)


async def _at_work(tx: Tx, *, restaurant_id: UUID) -> int:
    return len(await ordering.at_restaurant(tx, restaurant_id=restaurant_id, states=AT_WORK))


async def _state(call: Call, restaurant_id: UUID, state: str) -> End:
    """Open, closed, or busy for so long."""
    options = [
        Option(call.say("ussd.staff.option.open"), "open"),
        *(Option(call.say("ussd.staff.option.busy", minutes=minutes), minutes) for minutes in BUSY_MINUTES),
        Option(call.say("ussd.staff.option.closed"), "closed"),
    ]
    chosen = await call.choose("staff.set_state", options, of=str | int, state=state)
    if isinstance(chosen, int):
        await call.once("staff.busy", service.pause, restaurant_id=restaurant_id, minutes=chosen)
        return End("ussd.staff.state.busy_now", {"minutes": chosen})
    await call.once("staff.state_set", service.set_state, restaurant_id=restaurant_id, state=chosen)
    return End(f"ussd.staff.state.{chosen}_now")


async def _today(call: Call, restaurant_id: UUID) -> End:
    """What today has brought, and how many orders are still to come out of the kitchen."""
    made = await call.look("staff.made", earned.restaurant_today, restaurant_id=restaurant_id)
    at_work = await call.look("staff.at_work", _at_work, restaurant_id=restaurant_id)
    return End(
        "ussd.staff.figures",
        {
            "orders": made.orders,
            "sales": format_xaf(made.earned_xaf + made.commission_xaf),
            "commission": format_xaf(made.commission_xaf),
            "earned": format_xaf(made.earned_xaf),
            "waiting": at_work,
        },
    )
