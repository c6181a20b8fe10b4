"""Where the meal is, and the code that the driver needs."""

from typing import Any

from core.errors import NotFound
from core.money import format_xaf
from marketplace.ordering import scheduling
from marketplace.ordering import service as ordering
from marketplace.ordering.service import Order
from menus_ussd.call import Call, End
from menus_ussd.journeys import told
from menus_ussd.journeys.help import complain_about
from menus_ussd.journeys.limits import within
from menus_ussd.journeys.rating import rate_one
from menus_ussd.journeys.tip import tip
from menus_ussd.questions import Name, Option

# What the caller may do in each state, beside looking.
ACTIONS = {
    "AWAITING_PAYMENT": ("cancel",),
    "PAYMENT_EXPIRED": ("pay_again",),
    "PAID": ("cancel",),
    "OFFERED": ("cancel",),
    "ACCEPTED": ("cancel_cooked", "problem"),
    "READY": ("cancel_cooked", "problem"),
    "PICKED_UP": ("received", "problem"),
    "DELIVERED": ("tip", "problem", "rate"),
}
EFFECTS = {
    "cancel": (ordering.cancel, told.CANCELLED),
    "cancel_cooked": (ordering.cancel, told.CANCELLED),
    "received": (ordering.confirm_received, told.RECEIVED),
}


async def track(call: Call) -> End:
    """The caller's orders, live or to be paid again, else just delivered: one is shown at once, several are a list."""
    orders = await call.look("track.live", ordering.tracked_orders, person_id=call.person_id)
    if not orders:
        orders = await call.look("track.delivered", ordering.just_delivered, person_id=call.person_id)
    if not orders:
        return await _nothing(call)
    options = [Option(Name(f"{order.number} {order.restaurant_name}"), str(order.id)) for order in orders]
    chosen = await call.choose("track.which", options) if len(orders) > 1 else str(orders[0].id)
    return await _show(call, next(order for order in orders if str(order.id) == chosen))


async def _show(call: Call, order: Order) -> End:
    """One order with what can be done about it."""
    options = [Option(call.say(f"ussd.option.{action}"), action) for action in ACTIONS.get(order.state, ())]
    facts: dict[str, Any] = {
        "number": order.number,
        "restaurant": Name(order.restaurant_name),
        "state": _state(call, order),
        "total": format_xaf(order.total_xaf),
    }
    if order.delivery_code:
        secrets = {"code": order.delivery_code, "driver": order.driver_phone}
        action = await call.choose("track.code", options, **secrets, **facts)
    else:
        action = await call.choose("track.order", options, **facts)
    call.enter("track.act")
    return await OTHERWISE[action](call, order) if action in OTHERWISE else await _act(call, order, action)


def _state(call: Call, order: Order) -> str:
    if order.deliver_at and order.state == "PAID":
        return call.say("ussd.state.scheduled", when=scheduling.told(order.deliver_at))
    return call.say(f"ussd.state.{order.state.lower()}")


async def _act(call: Call, order: Order, action: str) -> End:
    """What one word agrees to."""
    back = format_xaf(order.delivery_xaf + order.tip_xaf)
    yes = [Option(call.say("ussd.option.yes"), True)]
    if not await call.confirm(f"track.{action}", yes, number=order.number, back=back):
        raise NotFound()
    effect, late = EFFECTS[action]
    await call.once(f"track.{action}.done", effect, told=late, order_id=order.id, person_id=call.person_id)
    return End(f"ussd.track.{action}.done", {"number": order.number})


async def _problem(call: Call, order: Order) -> End:
    return await complain_about(call, order_id=order.id, number=order.number)


async def _rate(call: Call, order: Order) -> End:
    return await rate_one(call, order.id)


async def _pay_again(call: Call, order: Order) -> End:
    """Another prompt, once the caller has read that the first may be live and that one of two payments goes back."""
    total, yes = format_xaf(order.total_xaf), [Option(call.say("ussd.option.yes"), True)]
    await call.confirm("track.pay_again", yes, number=order.number, total=total)
    await within(call, "payments")
    asked = {"order_id": order.id, "person_id": call.person_id, "session_id": call.session_ref}
    again = await call.once("track.pay_again.done", ordering.pay_again, told=told.PAID_AGAIN, **asked)
    return End("ussd.order.sent", {"number": again.number, "total": total})


async def _nothing(call: Call) -> End:
    """No order on its way: the way out is the way to a meal."""
    await call.choose("track.none", [])
    raise AssertionError("a menu without lines has no answer")


OTHERWISE = {"pay_again": _pay_again, "problem": _problem, "rate": _rate, "tip": tip}
