"""`gateway worker`: a worker with all its duties, and the clients that those talk through."""

import asyncio
import signal
from contextlib import AsyncExitStack, suppress
from functools import partial

import uvloop
from sqlalchemy.exc import SQLAlchemyError

from channels.sms.africastalking import AfricasTalkingCarrier
from core.database import Database
from core.logs import configure_logging, logger
from core.settings import Settings
from gateway import processes
from gateway.configuration import production_settings, with_database
from gateway.errors import CannotRun
from gateway.parts import make_parts
from gateway.schema import require_newest
from gateway.worker import Sweep, Worker
from ledger import holds
from ledger.marks import Marks
from ledger.seals import Seals
from marketplace.delivery import dispatch
from marketplace.loyalty import redeeming as loyalty
from marketplace.notifications import promises
from marketplace.notifications.carrier import Carrier
from marketplace.notifications.service import SEND_JOB, Outbox
from marketplace.ordering import deadlines, reminders
from marketplace.ordering.outcomes import OUTCOMES
from marketplace.payouts import service as payouts
from marketplace.people import login
from marketplace.referrals import service as referrals
from menus_ussd.evidence import log as turns
from menus_ussd.stores import postgres as sessions
from payments import attempts
from payments.engine import Engine
from payments.providers.protocol import Provider
from payments.providers.registry import build
from payments.reconciliation import service as reconcile

_SCHEMA_SECONDS = 0.5

log = logger(__name__)


def work() -> None:
    """Work until SIGTERM or SIGINT; what was taken is finished first (D32). Raises CannotRun."""
    configure_logging(service="worker")
    with suppress(KeyboardInterrupt), processes.interrupted_by_signals():
        settings = production_settings()
        with with_database(settings) as complete:
            uvloop.run(_work(complete))


async def _work(settings: Settings) -> None:
    async with AsyncExitStack() as cleanup:
        parts = make_parts(settings, connections=settings.worker_connections)
        cleanup.push_async_callback(parts.close)
        providers, carrier = build(settings), AfricasTalkingCarrier(settings)
        for provider in providers:
            cleanup.push_async_callback(provider.close)
        cleanup.push_async_callback(carrier.close)
        worker = make_worker(parts.database, providers=providers, carrier=carrier)
        await _schema_is_there(parts.database)
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, worker.stop)
        await worker.run()


async def _schema_is_there(database: Database) -> None:
    """Return when somebody has brought the database to the schema that this code needs."""
    while True:
        try:
            return await require_newest(database)
        except (CannotRun, OSError, SQLAlchemyError) as problem:
            log.warning("worker_waits", reason=str(problem))
        await asyncio.sleep(_SCHEMA_SECONDS)


def make_worker(database: Database, *, providers: tuple[Provider, ...], carrier: Carrier) -> Worker:
    """Every job's handler, and every sweep with how often it comes round."""
    engine = Engine(database, providers, OUTCOMES)
    outbox = Outbox(database, carrier)
    return Worker(
        database,
        handlers={
            attempts.JOB: engine.advance,
            SEND_JOB: outbox.deliver,
            dispatch.ADVANCE_JOB: partial(dispatch.advance, database),
        },
        sweeps=(
            Sweep("payments", database.settings.sweep_seconds, engine.sweep),
            Sweep("sms", 1.0, outbox.sweep),
            Sweep("promises", 1.0, partial(promises.sweep, database)),
            Sweep("delivery", 2.0, partial(dispatch.sweep, database)),
            Sweep("carts", 15.0, partial(reminders.sweep, database)),
            Sweep("deadlines", 5.0, partial(deadlines.sweep, database)),
            Sweep("marks", 1.0, Marks(database).advance),
            Sweep("seals", database.settings.seal_seconds, Seals(database).advance),
            Sweep("holds", 5.0, partial(holds.expire, database)),
            Sweep("payouts", 5.0, partial(payouts.sweep, database)),
            Sweep("sessions", 60.0, partial(sessions.expire, database)),
            Sweep("points", 60.0, partial(loyalty.sweep, database)),
            Sweep("referrals", 60.0, partial(referrals.sweep, database)),
            Sweep("logins", 60.0, partial(login.sweep, database)),
            Sweep("turns", 60.0, partial(turns.forget, database)),
            # Not at once: a demo's floats are booked beside our start, and one that keeps dying must not read all day.
            Sweep("reconciliation", 600.0, partial(reconcile.sweep, database, providers), after=60.0),
        ),
    )
