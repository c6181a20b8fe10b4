"""Fills an empty installation with demo data, once; a second time costs one look."""

import base64
from collections.abc import Mapping, Sequence
from itertools import combinations_with_replacement
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Table, insert, select, update

from core.crypto import Keyring
from core.database import Database, Tx
from core.effects import once
from core.gsm import plain
from core.ids import new_id
from gateway.demo_data import load
from ledger.chart import OWNERS_CAPITAL, provider_float
from ledger.service import Leg, post
from marketplace.catalogue.tables import dish, restaurant, restaurant_phone
from marketplace.people import service as people
from marketplace.people.staff import add_staff
from marketplace.people.tables import driver, person
from marketplace.places.tables import city, landmark, quarter, tariff_fee, tariff_version, zone

# Nobody by these numbers is seeded: their first dial asks for the language, as anybody's does.
CUSTOMERS = ("+237670000001", "+237690000002")  # MTN, Orange


class StaffAccount(msgspec.Struct, frozen=True):
    """What a staff user logs in with; `totp_secret` is base32, for an authenticator or pyotp."""

    username: str
    role: str
    password: str
    totp_secret: str


class SeedSummary(msgspec.Struct, frozen=True):
    """What there is to try. Phones are E.164; restaurants are by the number that one dials."""

    customers: tuple[str, ...]
    restaurants: dict[int, str]
    restaurant_phones: dict[int, str]
    drivers: dict[str, str]
    staff: tuple[StaffAccount, ...]


async def seed(database: Database) -> SeedSummary:
    """Load the demo data unless it is there. The staff's secrets come from the installation's key, every time anew."""
    staff = tuple(_account(database.keys, **entry) for entry in load("people")["staff"])
    async with database.transaction() as tx:

        async def fill() -> None:
            await _fill(tx, staff)

        await once(tx, "seed:demo", fill)
    return _summary(staff)


async def place_float(database: Database, *, provider: str, float_xaf: Mapping[str, int]) -> None:
    """Book what the owners have placed at a provider, by carrier: a payout draws on its own carrier's float only."""
    legs = [Leg(provider_float(provider, carrier), OWNERS_CAPITAL, amount) for carrier, amount in float_xaf.items()]
    async with database.transaction() as tx:
        await post(tx, key=f"seed:float:{provider}", kind="capital", legs=legs)


def _summary(staff: tuple[StaffAccount, ...]) -> SeedSummary:
    restaurants, drivers = load("restaurants")["restaurant"], load("people")["driver"]
    return SeedSummary(
        customers=CUSTOMERS,
        restaurants={entry["number"]: entry["name"] for entry in restaurants},
        restaurant_phones={entry["number"]: entry["phones"][0] for entry in restaurants},
        drivers={entry["phone"]: entry["name"] for entry in drivers},
        staff=staff,
    )


def _account(keys: Keyring, username: str, role: str) -> StaffAccount:
    """A staff user whose secrets the owner of the key can always print again."""
    password = base64.b32encode(keys.derive(f"demo password {username}"))[:16].decode().lower()
    totp_secret = base64.b32encode(keys.derive(f"demo totp {username}"))[:32].decode()
    return StaffAccount(username, role, password, totp_secret)


async def _fill(tx: Tx, staff: Sequence[StaffAccount]) -> None:
    quarters = await _places(tx, load("douala"))
    await _restaurants(tx, load("restaurants")["restaurant"], quarters)
    await _drivers(tx, load("people")["driver"])
    for account in staff:
        secrets = {"password": account.password, "totp_secret": account.totp_secret}
        await add_staff(tx, username=account.username, role=account.role, **secrets)


async def _places(tx: Tx, douala: dict[str, Any]) -> dict[str, int]:
    """The city with its tariff; quarter ids by name."""
    city_id = await tx.value(insert(city).values(name=douala["city"]).returning(city.c.id))
    await tx.run(insert(zone), [{"city_id": city_id, "name": name} for name in douala["zones"]])
    zones = await _ids(tx, zone)
    named = [(zones[zone_name], name) for zone_name, names in douala["zones"].items() for name in names]
    await tx.run(insert(quarter), [{"zone_id": of, "name": name, "plain": plain(name)} for of, name in named])
    quarters = await _ids(tx, quarter)
    landmarks = [(quarters[of], name) for names in douala["zones"].values() for of in names for name in names[of]]
    await tx.run(insert(landmark), [{"quarter_id": of, "name": name} for of, name in landmarks])
    await _tariff(tx, douala, zones)
    return quarters


async def _ids(tx: Tx, table: Table) -> dict[str, int]:
    return {row.name: row.id for row in await tx.all(select(table.c.id, table.c.name))}


async def _tariff(tx: Tx, douala: dict[str, Any], zones: dict[str, int]) -> None:
    """The first version of the tariff: a fee for every pair of zones."""
    new = insert(tariff_version).values(valid_from=tx.now).returning(tariff_version.c.version)
    version = await tx.value(new)
    await tx.run(insert(tariff_fee), [_fee(version, douala, zones, *pair) for pair in _pairs(douala)])


def _pairs(douala: dict[str, Any]) -> list[tuple[str, str, int]]:
    """Zone, zone, km: each row of the triangle names the zones above it."""
    names = list(douala["km"])
    return [(a, b, douala["km"][b][names.index(a)]) for a, b in combinations_with_replacement(names, 2)]


def _fee(version: int, douala: dict[str, Any], zones: dict[str, int], a: str, b: str, km: int) -> dict[str, int]:
    lower, upper = sorted((zones[a], zones[b]))
    fee_xaf = next(fee for limit, fee in douala["fees_xaf"].items() if km <= int(limit))
    return {"version": version, "lower_zone_id": lower, "upper_zone_id": upper, "km": km, "fee_xaf": fee_xaf}


async def _restaurants(tx: Tx, entries: Sequence[dict[str, Any]], quarters: dict[str, int]) -> None:
    rows, phones, menu = [], [], []
    for entry in entries:
        restaurant_id = new_id()
        rows.append(_restaurant(restaurant_id, entry, quarters[entry["quarter"]]))
        menu += [_dish(restaurant_id, *dish_entry) for dish_entry in entry["dishes"]]
        for position, phone in enumerate(entry["phones"], start=1):
            person_id = await _person(tx, phone, language=entry.get("language", "fr"))
            phones.append({"restaurant_id": restaurant_id, "position": position, "person_id": person_id})
    await tx.run(insert(restaurant), rows)
    await tx.run(insert(restaurant_phone), phones)
    await tx.run(insert(dish), menu)


def _restaurant(restaurant_id: UUID, entry: dict[str, Any], quarter_id: int) -> dict[str, Any]:
    return {
        "id": restaurant_id,
        "number": entry["number"],
        "name": entry["name"],
        "plain": plain(entry["name"]),
        "quarter_id": quarter_id,
        "preparation_minutes": entry["preparation_minutes"],
        "delivered_orders": entry.get("delivered_orders", 0),
        "commission_bp": entry.get("commission_bp"),
    }


def _dish(restaurant_id: UUID, number: int, name: str, price_xaf: int) -> dict[str, Any]:
    names = {"name": name, "plain": plain(name)}
    return {"id": new_id(), "restaurant_id": restaurant_id, "number": number, "price_xaf": price_xaf, **names}


async def _drivers(tx: Tx, entries: Sequence[dict[str, Any]]) -> None:
    rows = []
    for entry in entries:
        person_id = await _person(tx, entry["phone"], name=entry["name"], language=entry.get("language", "fr"))
        rows.append({"id": new_id(), "person_id": person_id, "rating": entry["rating"]})
    await tx.run(insert(driver), rows)


async def _person(tx: Tx, phone: str, **known: str) -> UUID:
    """Somebody who need not be asked for their language any more."""
    known_person = await people.recognise(tx, phone=phone)
    await tx.run(update(person).where(person.c.id == known_person.id).values(known))
    return known_person.id
