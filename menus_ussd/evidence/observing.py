"""What one turn was, put together while it goes on."""

from time import perf_counter

from core.database import Database
from menus_ussd.evidence import experiments
from menus_ussd.evidence.log import Event, Evidence, Outcome, version
from menus_ussd.pages import BACK, HOME, MORE, width
from menus_ussd.session import Session
from menus_ussd.turns import Ended, Reply, Turn

_TURNING = (BACK, HOME, MORE)
MOST_OF_A_NAME = 40  # characters


class Observation:
    """Begins with the request; `end` makes the event of it. Until told otherwise the turn was none."""

    def __init__(self, database: Database, turn: Turn, key: str) -> None:
        self._database = database
        self._turn = turn
        self._key = key
        self._began = perf_counter()
        self._session: Session | None = None
        self._answered: str | None = None
        self._outcome: Outcome = "closed"

    def of(self, session: Session, outcome: Outcome) -> None:
        """Whose turn it is, as the session stands before it."""
        self._session, self._outcome = session, outcome
        self._answered = session.shown.id if session.shown else None

    def typed(self, typed: str) -> None:
        if typed in _TURNING:
            self._outcome = "turned"

    def end(self, evidence: Evidence, reply: Reply) -> None:
        """Hand the event on."""
        session, keys = self._session, self._database.keys
        evidence.note(
            Event(
                at=self._database.clock.now(),
                session_ref=keys.fingerprint("session", session.ref if session else self._key),
                run_ref=session.run_id if session else None,
                dialect=self._turn.dialect,
                network=_name(self._turn.network),
                language=session.language if session else self._turn.language,
                journey=session.journey or None if session else None,
                answered=self._answered,
                shown=reply.step,
                asks=reply.expects_input,
                outcome="refused" if self._asked_again(reply) else self._outcome,
                page=session.shown.visible + 1 if session and session.shown else 1,
                septets=width(reply.text),
                ms=(perf_counter() - self._began) * 1000,
                variants=self._variants(),
                version=version(),
            )
        )

    def _asked_again(self, reply: Reply) -> bool:
        """An answer that fits leads to another question: the same one, asked anew, has another id."""
        return self._outcome == "answered" and reply.expects_input and reply.step == self._answered

    def _variants(self) -> list[str]:
        trials = self._database.settings.ussd_experiments
        if not trials or self._session is None:
            return []
        return experiments.told(trials, self._database.keys, self._session.person_id)


def _name(network: str | None) -> str | None:
    """As the database takes it: what it refused would keep all other events from being written."""
    return "".join(filter(str.isprintable, network))[:MOST_OF_A_NAME] if network else network


def over(database: Database, evidence: Evidence, ended: Ended, session: Session | None, key: str) -> None:
    """The aggregator says that a session is over: on which page, and whether that one still waited."""
    evidence.note(
        Event(
            at=database.clock.now(),
            session_ref=database.keys.fingerprint("session", session.ref if session else key),
            run_ref=session.run_id if session else None,
            dialect=ended.dialect,
            language=session.language if session else None,
            shown=session.receipts[-1].step if session else "",
            asks=session is not None and not session.ended,
            outcome=ended.kind,
            version=version(),
        )
    )
