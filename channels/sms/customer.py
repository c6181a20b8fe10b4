"""What a customer asks by SMS."""

from channels.sms.exchange import Ask, Reply, which
from core.gsm import fold, shorten
from core.money import format_xaf, parse_xaf
from marketplace.catalogue.queries import Dish, Restaurant
from marketplace.loyalty import service as loyalty
from marketplace.notifications import service as notifications
from marketplace.ordering import choosing
from marketplace.ordering import queries as orders
from marketplace.ordering import service as ordering
from marketplace.ordering.queries import Order
from marketplace.ratings import service as ratings
from marketplace.wallets import service as wallets

# What fits one SMS.
FOUND_DISHES, FOUND_NAME = 3, 12


async def balance(ask: Ask) -> Reply:
    """`SOLDE`"""
    return Reply("sms.balance", {"balance_xaf": await wallets.balance(ask.tx, person_id=ask.person.id)})


async def points(ask: Ask) -> Reply:
    """`POINTS`"""
    held = await loyalty.points(ask.tx, person_id=ask.person.id)
    tier = await loyalty.tier(ask.tx, person_id=ask.person.id)
    return Reply("sms.points", {"points": held, "tier": tier.name})


async def top_up(ask: Ask) -> Reply:
    """`RECHARGE 2000`: the sender's own number pays. As often as by API (D20)."""
    amount_xaf = parse_xaf(ask.parts["amount"])
    phone = ask.person.phone
    await wallets.request_top_up(ask.tx, person_id=ask.person.id, amount_xaf=amount_xaf, phone=phone, key=ask.key)
    return Reply("sms.top_up_asked", {"amount_xaf": amount_xaf})


async def track(ask: Ask) -> Reply:
    """`SUIVI 4821`, or `SUIVI` with one live order."""
    meant = await _meant(ask)
    match meant:
        case []:
            return Reply("sms.no_order")
        case [order]:
            return _status(ask, order)
        case _:
            return which([f"{ask.parts['word'].upper()} {order.number}" for order in meant])


async def cancel(ask: Ask) -> Reply:
    """`ANNULE 4821`; the use case tells what becomes of the money."""
    meant = await _meant(ask)
    match meant:
        case []:
            return Reply("sms.no_order", changed=False)
        case [order]:
            await ordering.cancel(ask.tx, order_id=order.id, person_id=ask.person.id)
            return Reply(None)
        case _:
            return which([f"{ask.parts['word'].upper()} {order.number}" for order in meant])


async def find(ask: Ask) -> Reply:
    """`CHERCHE ndole`: the cheapest dishes of that name, each with the number that one dials for it."""
    words = ask.parts["words"]
    found = await choosing.search(ask.tx, words=words)
    code = ask.tx.settings.service_code.removesuffix("#")
    if found.dishes:
        lines = [_dish(dish, restaurant) for dish, restaurant in found.dishes[:FOUND_DISHES]]
    else:
        lines = [f"{one.number} {shorten(fold(one.name), FOUND_NAME)}" for one in found.restaurants[:FOUND_DISHES]]
    if not lines:
        return Reply("sms.found_nothing", {"words": words})
    return Reply("sms.found", {"found": "; ".join(lines), "dial": f"{code}*{lines[0].split(' ')[0]}#"})


def _dish(dish: Dish, restaurant: Restaurant) -> str:
    """`45*12 Ndole, plantains 2500F Chez Mama`"""
    name, where = (shorten(fold(text), FOUND_NAME) for text in (dish.name, restaurant.name))
    return f"{restaurant.number}*{dish.number} {name} {format_xaf(dish.price_xaf)} {where}"


async def rate(ask: Ask) -> Reply:
    """`NOTE 5` for the newest meal, `NOTE 5 4` for the meal and its ride, `NOTE 4821 5` for a certain order."""
    order_id = None
    if "number" in ask.parts:
        named = await orders.find_by_number(ask.tx, number=ask.number, person_id=ask.person.id)
        if named is None:
            return Reply("sms.no_order", changed=False)
        order_id = named.id
    stars, ride = int(ask.parts["stars"]), int(ask.parts.get("ride", 0)) or None
    rated = await ratings.rate(ask.tx, person_id=ask.person.id, order_id=order_id, stars=stars, driver_stars=ride)
    return Reply("sms.rated", {"stars": stars, "number": rated.number, "restaurant": rated.restaurant_name})


async def stop(ask: Ask) -> Reply:
    """`STOP`: no advertising."""
    await notifications.opt_out(ask.tx, phone=ask.person.phone)
    return Reply("sms.stopped")


async def start(ask: Ask) -> Reply:
    """`START`: takes STOP back."""
    await notifications.opt_in(ask.tx, phone=ask.person.phone)
    return Reply("sms.started")


async def _meant(ask: Ask) -> list[Order]:
    """The order of the number that was sent, else all live ones."""
    if "number" in ask.parts:
        found = await orders.find_by_number(ask.tx, number=ask.number, person_id=ask.person.id)
        return [found] if found else []
    return await orders.live_orders(ask.tx, person_id=ask.person.id)


def _status(ask: Ask, order: Order) -> Reply:
    params: dict[str, str | int] = {
        "number": order.number,
        "restaurant": order.restaurant_name,
        "state": ask.say(f"ussd.state.{order.state.lower()}"),
    }
    if order.delivery_code:
        return Reply("sms.track_code", {**params, "code": order.delivery_code, "driver": order.driver_phone or ""})
    return Reply("sms.track", params)
