"""Reads of places: quarters and landmarks to choose from, the fee between zones, saved places."""

from uuid import UUID

import msgspec
from sqlalchemy import func, select

from core.database import Tx
from core.drivers import Row
from core.errors import NotFound
from core.gsm import plain
from core.remembered import remembered
from marketplace.places.tables import landmark, quarter, tariff_fee, tariff_version

# Fewer letters match half the city.
SEARCH_LETTERS = 3


class Quarter(msgspec.Struct, frozen=True):
    """A quarter and the tariff zone it lies in."""

    id: int
    name: str
    zone_id: int
    zone_name: str


class Landmark(msgspec.Struct, frozen=True):
    """Something in a quarter that one can stand behind."""

    id: int
    name: str
    quarter_id: int


class Place(msgspec.Struct, frozen=True):
    """Where to deliver. `directions` are at most 60 characters, `contact_phone` is whom to call if not the customer.

    The phone is encrypted (`keys.encrypt`): a place may rest in a session or a journal.
    """

    quarter_id: int
    landmark_id: int | None
    directions: str = ""
    contact_phone: bytes | None = None


class SavedPlace(msgspec.Struct, frozen=True):
    """`slot` is 1 to 3, the order they are offered in; `label` is the name its person gave it, else where it is."""

    slot: int
    place: Place
    label: str


class Tariff(msgspec.Struct, frozen=True):
    """What delivery between two zones costs and earns under one version of the tariff, to be frozen on the order."""

    version: int
    km: int
    fee_xaf: int
    driver_pay_xaf: int


_QUARTER = """
    SELECT quarter.id, quarter.name, zone.id AS zone_id, zone.name AS zone_name
    FROM quarter JOIN zone ON zone.id = zone_id
"""

_NEAR = f"""
    {_QUARTER}
    LEFT JOIN tariff_fee ON version = (SELECT max(version) FROM tariff WHERE valid_from <= $2)
        AND lower_zone_id = least(zone.id, $1) AND upper_zone_id = greatest(zone.id, $1)
    ORDER BY zone.id <> $1, km, zone.name, quarter.id
"""  # noqa: S608 - made of constants

# A name also matches by the beginning of a later word: `cite` finds Cité des Palmiers and Cité Sic alike.
_SEARCH = f"""
    {_QUARTER}
    WHERE starts_with(plain, $1) OR strpos(plain, ' ' || $1) > 0
    ORDER BY plain <> $1, NOT starts_with(plain, $1), plain
"""

_SAVED = """
    SELECT saved_place.*, quarter.name AS quarter_name, landmark.name AS landmark_name
    FROM saved_place JOIN quarter ON quarter.id = saved_place.quarter_id
    LEFT JOIN landmark ON landmark.id = landmark_id
    WHERE person_id = $1 ORDER BY slot
"""


async def quarters_near(tx: Tx, *, zone_id: int) -> list[Quarter]:
    """Every quarter: those of `zone_id` first, then by distance."""
    return [Quarter(**row) for row in await (await tx.driver()).fetch(_NEAR, zone_id, tx.now)]


async def search_quarters(tx: Tx, *, prefix: str) -> list[Quarter]:
    """Quarters with a word that begins with `prefix`, the likeliest first; accents and case do not matter.

    Fewer than three letters find nothing.
    """
    words = plain(prefix)
    if len(words) < SEARCH_LETTERS:
        return []
    return [Quarter(**row) for row in await (await tx.driver()).fetch(_SEARCH, words)]


async def get_quarter(tx: Tx, *, quarter_id: int) -> Quarter:
    """Raises NotFound."""
    row = await (await tx.driver()).fetchrow(f"{_QUARTER} WHERE quarter.id = $1", quarter_id)
    if row is None:
        raise NotFound()
    return Quarter(**row)


async def landmarks(tx: Tx, *, quarter_id: int) -> list[Landmark]:
    """The landmarks of a quarter, best known first."""
    statement = select(landmark).where(landmark.c.quarter_id == quarter_id).order_by(landmark.c.id)
    return [Landmark(row.id, row.name, row.quarter_id) for row in await tx.all(statement)]


async def tariff(tx: Tx, *, from_zone: int, to_zone: int) -> Tariff:
    """Today's fee and pay between two zones, in either direction (D8, D9). Raises NotFound."""
    in_force = select(func.max(tariff_version.c.version)).where(tariff_version.c.valid_from <= tx.now).scalar_subquery()
    row = await tx.first(
        select(tariff_fee).where(
            tariff_fee.c.version == in_force,
            tariff_fee.c.lower_zone_id == min(from_zone, to_zone),
            tariff_fee.c.upper_zone_id == max(from_zone, to_zone),
        )
    )
    if row is None:
        raise NotFound()
    pay_xaf = tx.settings.driver_base_xaf + tx.settings.driver_per_km_xaf * row.km
    return Tariff(row.version, row.km, max(row.fee_xaf, pay_xaf), pay_xaf)


async def saved_places(tx: Tx, *, person_id: UUID) -> list[SavedPlace]:
    """The person's places by slot."""
    rows = await (await tx.driver()).fetch(_SAVED, person_id, record_class=Row)
    return [_saved(row) for row in rows]


async def describe(tx: Tx, place: Place) -> str:
    """`Akwa, Pharmacie du Centre`: short enough for a page. Raises NotFound for what is no place."""
    here = (landmark.c.id == place.landmark_id) & (landmark.c.quarter_id == quarter.c.id)
    statement = select(quarter.c.name, landmark.c.name.label("landmark")).outerjoin(landmark, here)
    row = await tx.first(statement.where(quarter.c.id == place.quarter_id))
    if row is None or (place.landmark_id is not None and row.landmark is None):
        raise NotFound()
    return _label(row.name, row.landmark)


# As of a few seconds ago: for menus and quotes, never for what is ordered.
known_quarters_near = remembered(quarters_near)
known_quarter = remembered(get_quarter)
known_landmarks = remembered(landmarks)
known_tariff = remembered(tariff)
known_label = remembered(describe)


def _saved(row: Row) -> SavedPlace:
    place = Place(row.quarter_id, row.landmark_id, row.directions, row.contact_phone)
    return SavedPlace(row.slot, place, row.name or _label(row.quarter_name, row.landmark_name))


def _label(quarter_name: str, landmark_name: str | None) -> str:
    return f"{quarter_name}, {landmark_name}" if landmark_name else quarter_name
