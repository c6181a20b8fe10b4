"""Finance at the terminal: what waits for people, who decides it, payouts, reconciliation, proofs and providers."""

import argparse
import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from getpass import getpass, getuser
from uuid import UUID

import msgspec

from core import four_eyes
from core import maintenance as service_maintenance
from core.clock import business_day, day_start
from core.database import Database
from core.four_eyes import Proposal
from core.phones import parse_phone
from core.texts import say
from gateway import finance_screens as screens
from gateway.approvals import make_approvals
from gateway.errors import CannotRun
from ledger.rendering import render
from marketplace.payouts import approved, batches, report
from marketplace.people import login, sim_changes
from payments import decisions, evidence, evidence_text, maintenance
from payments.decisions import Ruling
from payments.providers import registry
from payments.providers.protocol import Provider
from payments.reconciliation import ageing, resolving, run, screen
from payments.reconciliation.resolving import Resolution

_ROLES = ("finance", "admin")


async def waiting(database: Database, arguments: argparse.Namespace) -> str:
    async with database.reading() as tx:
        found = screens.Waiting(
            proposals=await four_eyes.open_proposals(tx),
            attempts=await decisions.waiting(tx),
            differences=await screen.differences(tx),
            frozen=await screen.frozen(tx),
            suspense=await ageing.suspense(tx),
        )
    return screens.waiting(found, arguments.language)


async def rule(database: Database, arguments: argparse.Namespace) -> str:
    by = await sign_in(database, arguments.username)
    async with database.transaction() as tx:
        made = await decisions.propose(
            tx,
            attempt_id=arguments.attempt,
            ruling=Ruling(arguments.ruling),
            reason=arguments.reason,
            by=by,
            amount_xaf=arguments.amount,
        )
    return _proposed(made, arguments.language)


async def resolve(database: Database, arguments: argparse.Namespace) -> str:
    by, resolution = await sign_in(database, arguments.username), Resolution(arguments.resolution)
    async with database.transaction() as tx:
        made = await resolving.propose(
            tx, item_id=arguments.item, resolution=resolution, reason=arguments.reason, by=by
        )
    return _proposed(made, arguments.language)


async def approve(database: Database, arguments: argparse.Namespace) -> str:
    by = await sign_in(database, arguments.username)
    async with _adapters(database) as providers, database.transaction() as tx:
        done = await make_approvals(providers).approve(tx, proposal_id=arguments.proposal, by=by)
    return say(arguments.language, "finance.approved", id=done.id, kind=done.kind, subject=done.subject)


async def reject(database: Database, arguments: argparse.Namespace) -> str:
    by = await sign_in(database, arguments.username)
    async with database.transaction() as tx:
        done = await four_eyes.reject(tx, proposal_id=arguments.proposal, by=by)
    return say(arguments.language, "finance.rejected", id=done.id, kind=done.kind, subject=done.subject)


# ---- payouts ---------------------------------------------------------------------------------------------


async def propose_payout(database: Database, arguments: argparse.Namespace) -> str:
    by = await sign_in(database, arguments.username)
    async with database.transaction() as tx:
        payee = await batches.payee_of(tx, restaurant_number=arguments.restaurant)
        made = await approved.propose(
            tx,
            owner="restaurant",
            owner_id=payee.restaurant_id,
            phone=payee.phone,
            amount_xaf=arguments.amount,
            reason=arguments.reason,
            by=by,
        )
    return _proposed(made, arguments.language)


async def list_sim_freezes(database: Database, arguments: argparse.Namespace) -> str:
    async with database.reading() as tx:
        frozen = await sim_changes.frozen(tx)
    return screens.sim_freezes(frozen, arguments.language)


async def lift_sim_freeze(database: Database, arguments: argparse.Namespace) -> str:
    by, phone = await sign_in(database, arguments.username), parse_phone(arguments.phone)
    async with database.transaction() as tx:
        made = await sim_changes.propose_lifting(tx, phone=phone, reason=arguments.reason, by=by)
    return _proposed(made, arguments.language)


async def pay_batch(database: Database, arguments: argparse.Namespace) -> str:
    name, file = arguments.file
    lines = batches.parse(file)
    by = await sign_in(database, arguments.username)
    outcomes = await batches.pay(database, lines, batch=arguments.name or name, by=by)
    return screens.batch(outcomes, arguments.language)


async def report_payouts(database: Database, arguments: argparse.Namespace) -> str:
    until = arguments.until or database.clock.now()
    since = arguments.since or day_start(until - timedelta(days=30))
    async with database.reading() as tx:
        lines = await report.payouts(tx, since=since, until=until)
    return render(report.table(lines, since=since, until=until), arguments.format, arguments.language).rstrip("\n")


# ---- reconciliation and proofs ---------------------------------------------------------------------------


async def reconcile(database: Database, arguments: argparse.Namespace) -> str:
    day = arguments.day or business_day(database.clock.now()) - timedelta(days=1)
    async with _adapters(database) as adapters:
        chosen = [one for one in adapters if arguments.provider in (None, one.capabilities.name)]
        if not chosen:
            raise CannotRun(f"{arguments.provider} is not in use; PAYMENT_PROVIDERS names those that are.")
        compared = await run(database, chosen, day)
    async with database.reading() as tx:
        found = await screen.differences(tx, day=day, provider=arguments.provider)
        table = screen.table(found, day=day, compared=await screen.days(tx, day=day))
        frozen = await screen.frozen(tx)
    shown = render(table, arguments.format, arguments.language).rstrip("\n")
    if arguments.format != "text":
        return shown
    unread = [one.capabilities.name for one in chosen if one.capabilities.name not in compared]
    return "\n".join([shown, *screens.after_reconciling(found, frozen, unread, arguments.language)])


async def show_payment(database: Database, arguments: argparse.Namespace) -> str:
    async with database.reading() as tx:
        found = await evidence.collect(tx, named=arguments.id)
    if arguments.format == "json":
        return msgspec.json.format(msgspec.json.encode(found), indent=2).decode()
    return evidence_text.render(found, arguments.language).rstrip("\n")


# ---- providers -------------------------------------------------------------------------------------------


async def set_maintenance(database: Database, arguments: argparse.Namespace) -> str:
    on = arguments.state == "on"
    if not arguments.what:
        return await _shut(database, arguments, on)
    if len(arguments.what) > 2:
        raise CannotRun("Name a provider, perhaps a carrier, then on or off.")
    provider, carrier = (*arguments.what, None)[:2]
    _known(provider, carrier)
    async with database.transaction() as tx:
        await maintenance.set(tx, provider=provider, carrier=carrier, on=on)
        away = await maintenance.current(tx)
    return screens.maintenance(away, arguments.language)


async def _shut(database: Database, arguments: argparse.Namespace, on: bool) -> str:
    """Begin or end maintenance of the whole service."""
    reason = arguments.reason or ("" if on else "over")
    async with database.transaction() as tx:
        thrown = await service_maintenance.throw(
            tx, on=on, until=arguments.until, reason=reason, by=f"shell:{getuser()}"
        )
    return screens.service(thrown, arguments.language)


async def providers(database: Database, arguments: argparse.Namespace) -> str:
    async with _adapters(database) as adapters:
        names = [adapter.capabilities.name for adapter in adapters]
        floats = dict(zip(names, await asyncio.gather(*(one.floats() for one in adapters)), strict=True))
    capabilities = {one.capabilities.name: one.capabilities for one in adapters}
    async with database.reading() as tx:
        table = await screens.providers(tx, capabilities, floats)
    return render(table, arguments.format, arguments.language).rstrip("\n")


def _known(provider: str, carrier: str | None) -> None:
    """Raises CannotRun for a provider or a carrier that there is none of: a typing error must not pass for a switch."""
    known = {module.CAPABILITIES.name: module.CAPABILITIES.carriers for module in registry.MODULES}
    if provider not in known:
        raise CannotRun(f"There is no provider {provider}; there are {', '.join(sorted(known))}.")
    if carrier is not None and carrier not in known[provider]:
        raise CannotRun(f"{provider} serves {', '.join(sorted(known[provider]))}.")


# ---- who is there ----------------------------------------------------------------------------------------


async def sign_in(database: Database, username: str, roles: tuple[str, ...] = _ROLES) -> UUID:
    """The user of one of `roles`, by password and one-time code: from STAFF_PASSWORD and STAFF_TOTP, else asked for."""
    password = os.environ.get("STAFF_PASSWORD") or getpass(f"Password of {username}: ")
    totp = os.environ.get("STAFF_TOTP") or getpass("One-time code: ")
    tokens = await login.staff_login(database, username=username, password=password, totp=totp)
    who = login.read_access_token(database.keys, tokens.access_token, database.clock.now())
    async with database.transaction() as tx:
        await login.logout(tx, refresh_token=tokens.refresh_token)
    if who.role not in roles:
        raise CannotRun(f"{username} is not of {roles[0]}.")
    return who.subject


@asynccontextmanager
async def _adapters(database: Database) -> AsyncIterator[tuple[Provider, ...]]:
    made = registry.build(database.settings)
    try:
        yield made
    finally:
        await asyncio.gather(*(provider.close() for provider in made))


def _proposed(made: Proposal, language: str) -> str:
    return say(language, "finance.proposed", id=made.id)
