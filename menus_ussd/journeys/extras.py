"""What can be added at the confirmation: a coupon, a tip for the driver, the restaurant as a favourite."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec

from core.clock import DOUALA
from core.database import Tx
from core.errors import GatewayError
from core.money import format_xaf
from core.texts import say
from marketplace.catalogue import queries as catalogue
from marketplace.catalogue import service as restaurants
from marketplace.ordering import carts, groups
from marketplace.ordering.carts import Cart
from menus_ussd.call import Call, End
from menus_ussd.journeys.limits import within
from menus_ussd.questions import Option


class Tried(msgspec.Struct, frozen=True):
    """The cart with its coupon, or why the coupon does not count."""

    cart: Cart | None = None
    key: str = ""
    params: Mapping[str, Any] = {}


async def choose_extras(call: Call, cart: Cart) -> Cart | End:
    """The cart as it then is; or the end, when the cart becomes a group's."""
    liked = await call.look(
        "order.liked", catalogue.is_favourite, person_id=call.person_id, restaurant_id=cart.restaurant_id
    )
    topics = ("coupon", "tip", "later", "group", "forget" if liked else "like")
    match await call.choose("order.extras", [Option(call.say(f"ussd.option.{topic}"), topic) for topic in topics]):
        case "coupon":
            return await _coupon(call, cart)
        case "tip":
            return await _tip(call, cart)
        case "later":
            return await _later(call, cart)
        case "group":
            return await _group(call, cart)
        case _:
            like = {"person_id": call.person_id, "restaurant_id": cart.restaurant_id, "liked": not liked}
            await call.draft("order.like", restaurants.like, **like)
            return cart


async def _coupon(call: Call, cart: Cart) -> Cart:
    """Ask until one counts; whoever has none goes back."""
    typed = await call.ask("order.coupon", str.strip)
    while True:
        await within(call, "auth")
        tried = await call.draft(
            "order.coupon_tried", _try_coupon, person_id=call.person_id, cart_id=cart.cart_id, typed=typed
        )
        if tried.cart:
            return tried.cart
        typed = await call.ask("order.coupon_again", str.strip, why=call.say(tried.key, **tried.params))


async def _try_coupon(tx: Tx, *, person_id: UUID, cart_id: UUID, typed: str) -> Tried:
    try:
        return Tried(await carts.add_coupon(tx, person_id=person_id, cart_id=cart_id, typed=typed))
    except GatewayError as refusal:
        return Tried(key=refusal.text_key, params=refusal.params)


async def _tip(call: Call, cart: Cart) -> Cart:
    amounts = call.database.settings.tips_xaf
    options = [Option(format_xaf(amount), amount) for amount in amounts]
    tip_xaf = await call.choose("order.tip", [*options, Option(call.say("ussd.option.no_tip"), 0)], of=int)
    return await _with(call, cart, tip_xaf=tip_xaf)


async def _later(call: Call, cart: Cart) -> Cart:
    """Today or tomorrow, then the hour; or at once after all."""
    day = await call.choose("order.day", _days, cart.cart_id, call.language)
    if not day:
        return await _with(call, cart, deliver_at=None)
    hour = await call.choose("order.hour", _hours, cart.cart_id, day, day=day[8:] + day[4:8].replace("-", "/"))
    return await _with(call, cart, deliver_at=datetime.fromisoformat(hour))


async def _days(tx: Tx, cart_id: UUID, language: str) -> list[Option]:
    offered = await carts.hours(tx, cart_id=cart_id)
    at_once = Option(say(language, "ussd.option.at_once"), "")
    return [at_once, *(Option(f"{day:%d/%m}", day.isoformat()) for day, hours in offered.items() if hours)]


async def _hours(tx: Tx, cart_id: UUID, day: str) -> list[Option]:
    offered = await carts.hours(tx, cart_id=cart_id)
    hours = offered.get(date.fromisoformat(day), [])
    return [Option(f"{hour.astimezone(DOUALA):%H:%M}", hour.isoformat()) for hour in hours]


async def _group(call: Call, cart: Cart) -> End:
    """Others may add to it by its number, until the host comes back."""
    opened = await call.once(
        "group.open",
        groups.open_group,
        host_id=call.person_id,
        restaurant_id=cart.restaurant_id,
        lines=cart.lines,
    )
    code = call.database.settings.service_code.removesuffix("#")
    minutes = call.database.settings.group_minutes
    return End("ussd.group.opened", {"number": opened.number, "minutes": minutes, "code": f"{code}*6"})


async def _with(call: Call, cart: Cart, **changes: Any) -> Cart:
    """The same cart with another tip or hour."""
    changed: Cart = await call.draft(
        "order.cart",
        carts.save,
        person_id=call.person_id,
        restaurant_id=cart.restaurant_id,
        lines=cart.lines,
        place=cart.place,
        cart_id=cart.cart_id,
        channel="ussd",
        extras=msgspec.structs.replace(cart.extras, **changes),
    )
    return changed
