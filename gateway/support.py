"""Support at the terminal: what waits, whom to call, what was decided."""

import argparse

from core.clock import DOUALA
from core.database import Database
from core.texts import say
from gateway.finance import sign_in
from marketplace.support import service as support
from marketplace.support.service import OpenCase

ROLES = ("support", "admin")


async def list_cases(database: Database, arguments: argparse.Namespace) -> str:
    async with database.reading() as tx:
        found = await support.open_cases(tx)
    shown = [_line(case, arguments.language) for case in found]
    return "\n".join(shown) or say(arguments.language, "support.nothing_waits")


async def show_case(database: Database, arguments: argparse.Namespace) -> str:
    """Signed: only here the customer's number is shown."""
    await sign_in(database, arguments.username, ROLES)
    async with database.reading() as tx:
        case = await support.get(tx, number=arguments.number)
    shown = [_line(case, arguments.language)]
    if case.phone:
        shown.append(say(arguments.language, "support.call", phone=case.phone))
    if case.order_state == "DISPUTED":
        shown.append(say(arguments.language, "support.decide", number=case.number))
    return "\n".join(shown)


async def close_case(database: Database, arguments: argparse.Namespace) -> str:
    by = await sign_in(database, arguments.username, ROLES)
    async with database.transaction() as tx:
        await support.close(tx, number=arguments.number, staff_id=by)
    return say(arguments.language, "support.closed", number=arguments.number)


async def decide(database: Database, arguments: argparse.Namespace) -> str:
    by = await sign_in(database, arguments.username, ROLES)
    async with database.transaction() as tx:
        await support.decide(tx, number=arguments.number, staff_id=by, refund=arguments.decision == "refund")
    return say(arguments.language, f"support.{arguments.decision}", number=arguments.number)


def _line(case: OpenCase, language: str) -> str:
    """`104  21/11 13:40  complaint  4821 DISPUTED  reason=quality`"""
    parts = [
        f"{case.number}",
        f"{case.opened_at.astimezone(DOUALA):%d/%m %H:%M}",
        say(language, f"support.{case.kind}"),
    ]
    if case.order_number:
        parts.append(f"{case.order_number} {case.order_state}")
    parts += [f"{name}={value}" for name, value in sorted(case.details.items())]
    return "  ".join(parts)
