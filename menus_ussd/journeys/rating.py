"""Stars for a meal and its ride: asked once by itself, and given from the menu as long as they count."""

from uuid import UUID

from core.errors import GatewayError
from marketplace.ratings import service as ratings
from marketplace.ratings.service import MOST_STARS, Ratable
from menus_ussd.call import Call, End
from menus_ussd.questions import Name, Option

LATER = 0


async def ask(call: Call, order_id: UUID) -> None:
    """One page that comes by itself after a delivery, and can be skipped; the talk goes on behind it."""
    meal = await call.draft("rating.asks", ratings.ask, person_id=call.person_id, order_id=order_id)
    if meal is None:
        return
    call.enter("rating")
    try:
        await _give(call, meal)
    except GatewayError:  # rated elsewhere meanwhile: no reason to keep anybody from a meal
        return


async def rate(call: Call) -> End:
    """The caller's unrated orders: one is asked about at once, several are a list."""
    meals = await call.look("rating.meals", ratings.ratable, person_id=call.person_id)
    if not meals:
        return End("error.nothing_to_rate")
    options = [Option(Name(f"{meal.number} {meal.restaurant_name}"), str(meal.order_id)) for meal in meals]
    chosen = await call.choose("rating.which", options) if len(meals) > 1 else str(meals[0].order_id)
    await _give(call, next(meal for meal in meals if str(meal.order_id) == chosen))
    return End("ussd.rating.done")


async def rate_one(call: Call, order_id: UUID) -> End:
    """Stars for this order, if it has none yet."""
    meals = await call.look("rating.meals", ratings.ratable, person_id=call.person_id)
    meal = next((meal for meal in meals if meal.order_id == order_id), None)
    if meal is None:
        return End("error.already_rated")
    await _give(call, meal)
    return End("ussd.rating.done")


async def _give(call: Call, meal: Ratable) -> None:
    """The meal, then the ride; what was keyed for the meal is on the second page, where one can still go back."""
    facts = {"number": meal.number, "restaurant": Name(meal.restaurant_name)}
    stars = await call.choose("rating.meal", _stars(call), of=int, **facts)
    if stars == LATER:
        return
    driver_stars = await call.choose("rating.ride", _stars(call), of=int, stars=stars) if meal.has_driver else LATER
    await call.once(
        "rating.given",
        ratings.rate,
        person_id=call.person_id,
        order_id=meal.order_id,
        stars=stars,
        driver_stars=driver_stars or None,
    )


def _stars(call: Call) -> list[Option]:
    """The digit is the number of stars."""
    given = [Option(call.say(f"ussd.rating.{stars}"), stars, digit=str(stars)) for stars in range(MOST_STARS, 0, -1)]
    return [*given, Option(call.say("ussd.rating.later"), LATER, digit=str(MOST_STARS + 1))]
