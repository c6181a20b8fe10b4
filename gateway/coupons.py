"""Coupons at the terminal: made by a signature of finance, and listed with what they have cost."""

import argparse
from datetime import timedelta
from uuid import UUID

from core.clock import DOUALA
from core.database import Database, Tx
from core.money import format_xaf
from core.phones import parse_phone
from core.texts import say
from gateway.finance import sign_in
from marketplace.catalogue import queries as catalogue
from marketplace.people import service as people
from marketplace.promotions import queries, service
from marketplace.promotions.queries import Standing
from marketplace.promotions.service import NewCoupon


async def add(database: Database, arguments: argparse.Namespace) -> str:
    by = await sign_in(database, arguments.username)
    async with database.transaction() as tx:
        chosen = [(await people.recognise(tx, phone=parse_phone(phone))).id for phone in arguments.to or ()]
        new = await _promised(tx, arguments, audience="chosen" if chosen else arguments.audience)
        await service.add(tx, new=new, staff_id=by, chosen=tuple(chosen))
    until = f"{new.valid_until.astimezone(DOUALA):%d/%m/%Y %H:%M}"
    return say(arguments.language, "finance.coupon_added", number=new.number, code=new.code, until=until)


async def _promised(tx: Tx, arguments: argparse.Namespace, *, audience: service.Audience) -> NewCoupon:
    begins = arguments.begins or tx.now
    return NewCoupon(
        number=arguments.number,
        code=arguments.code,
        percent=arguments.percent,
        amount_xaf=arguments.amount,
        max_discount_xaf=arguments.most,
        min_items_xaf=arguments.least,
        usage_limit=arguments.limit,
        per_person_limit=arguments.each,
        valid_from=begins,
        valid_until=arguments.ends or begins + timedelta(days=30),
        audience=audience,
        funder=arguments.paid_by,
        restaurant_id=await _restaurant(tx, arguments.restaurant),
    )


async def _restaurant(tx: Tx, number: int | None) -> UUID | None:
    return (await catalogue.restaurant_by_number(tx, number=number)).id if number else None


async def coupons(database: Database, arguments: argparse.Namespace) -> str:
    async with database.reading() as tx:
        found = await queries.standings(tx)
    lines = [_line(one, arguments.language) for one in found]
    return "\n".join(lines) or say(arguments.language, "finance.no_coupons")


def _line(one: Standing, language: str) -> str:
    off = f"{one.percent} %" if one.percent else format_xaf(one.amount_xaf or 0)
    limit = "" if one.usage_limit is None else f"/{one.usage_limit}"
    return say(
        language,
        "finance.coupon_line",
        number=one.number,
        code=one.code,
        off=off,
        funder=say(language, f"finance.funder.{one.funder}"),
        used=f"{one.used}{limit}",
        given=format_xaf(one.given_xaf),
        until=f"{one.valid_until.astimezone(DOUALA):%d/%m/%Y}",
    )
