"""Restaurants, dishes and places: what a client reads before anyone logs in, and may keep (A1.13)."""

from typing import Annotated

from litestar import get
from litestar.params import QueryParameter

from channels.api.encoding import CatalogueResponse, problems
from channels.api.inputs import LARGEST_ID, PAGE_SIZE, NumberInPath, PageNumber, PageSize, TheDatabase, Words
from channels.api.views import DishView, LandmarkView, Page, QuarterView, RestaurantView, page_of, shown
from marketplace.catalogue import queries as catalogue
from marketplace.places import queries as places

Nearby = Annotated[int | None, QueryParameter(ge=1, le=LARGEST_ID)]

NO_ZONE = 0  # near nothing: every zone is equally far


@get("/restaurants", response_class=CatalogueResponse, responses=problems(404))
async def list_restaurants(
    database: TheDatabase,
    search: Words = None,
    near: Nearby = None,
    page: PageNumber = 1,
    size: PageSize = PAGE_SIZE,
) -> Page[RestaurantView]:
    """Restaurants: the open ones first, those nearest to the quarter `near` first, else by number."""
    async with database.reading() as tx:
        zone = (await places.known_quarter(tx, quarter_id=near)).zone_id if near else None
        found = await catalogue.restaurants(tx, near_zone=zone, search=search)
    return page_of([shown(restaurant, RestaurantView) for restaurant in found], page, size)


@get("/restaurants/{number:int}/dishes", response_class=CatalogueResponse, responses=problems(404))
async def list_dishes(
    number: NumberInPath,
    database: TheDatabase,
    page: PageNumber = 1,
    size: PageSize = PAGE_SIZE,
) -> Page[DishView]:
    """The menu of restaurant `number`, sold-out dishes included."""
    async with database.reading() as tx:
        restaurant = await catalogue.restaurant_by_number(tx, number=number)
        found = await catalogue.dishes(tx, restaurant_id=restaurant.id, available_only=False)
    return page_of([shown(dish, DishView) for dish in found], page, size)


@get("/places/quarters", response_class=CatalogueResponse, responses=problems(404))
async def list_quarters(
    database: TheDatabase,
    search: Words = None,
    restaurant: Nearby = None,
    page: PageNumber = 1,
    size: PageSize = PAGE_SIZE,
) -> Page[QuarterView]:
    """Quarters that meals are brought to: by 3 letters or more, or those nearest to `restaurant` first, or by zone."""
    async with database.reading() as tx:
        if search is not None:
            found = await places.search_quarters(tx, prefix=search)
        else:
            near = await catalogue.restaurant_by_number(tx, number=restaurant) if restaurant else None
            found = await places.known_quarters_near(tx, zone_id=near.zone_id if near else NO_ZONE)
    return page_of([shown(quarter, QuarterView) for quarter in found], page, size)


@get("/places/quarters/{quarter_id:int}/landmarks", response_class=CatalogueResponse, responses=problems(404))
async def list_landmarks(
    quarter_id: NumberInPath,
    database: TheDatabase,
    page: PageNumber = 1,
    size: PageSize = PAGE_SIZE,
) -> Page[LandmarkView]:
    """The landmarks of a quarter, best known first."""
    async with database.reading() as tx:
        await places.known_quarter(tx, quarter_id=quarter_id)
        found = await places.known_landmarks(tx, quarter_id=quarter_id)
    return page_of([shown(landmark, LandmarkView) for landmark in found], page, size)
