"""The conversation engine: one turn, atomic and exactly once.

A turn claims its session, finds what is new in the transcript, appends the answer to the journal, runs the
journey from its top to the first question without an answer, and commits journal, page and receipt together.
A repeated request finds its receipt and gets the same bytes.
"""

import asyncio
from asyncio import Timeout
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from core import gsm, logs
from core.crypto import same
from core.database import Database, Tx
from core.errors import GatewayError
from core.texts import DEFAULT_LANGUAGE, say
from menus_ussd.call import Call, End, Pause, Restart
from menus_ussd.pages import closing, compose, with_notice
from menus_ussd.questions import MAX_INPUT, clean
from menus_ussd.session import Page, Receipt, Session
from menus_ussd.stores import Claim, SessionStore
from menus_ussd.turns import Reply, Turn

BACK, HOME, MORE = "0", "00", "98"  # tried before any question reads the input

log = logs.logger(__name__)

Journey = Callable[[Call], Awaitable[End]]


class Caller(NamedTuple):
    """Who dials: found or made at the first turn, kept in the session without the number."""

    person_id: UUID
    language: str | None


class Conversation(NamedTuple):
    """What the engine runs: the root journey, and what it needs to start one."""

    root: Journey
    root_question: str  # where a conversation begins; standing there, nothing is worth taking up again
    recognise: Callable[[Tx, str], Awaitable[Caller]]  # by phone, at the first turn; each statement stands alone
    dial: Callable[[Tx, Caller, Sequence[str]], Awaitable[dict[str, Any] | None]]  # parts -> answers by question id


class Engine:
    """Answers turns. Holds no state of its own: everything is in the store and the database."""

    def __init__(self, database: Database, store: SessionStore, conversation: Conversation) -> None:
        self.database = database
        self.store = store
        self.conversation = conversation
        self._settings = database.settings
        self._keys = database.keys

    async def turn(self, turn: Turn) -> Reply:
        """The page for this turn. Whatever happens, the caller gets a page that says what to do."""
        language = DEFAULT_LANGUAGE
        try:
            async with self.store.claim(f"{turn.dialect}:{turn.session_id}") as claim:
                language = claim.session.language or language if claim.session else language
                # The clock starts now: a repeated request has waited for the first one's answer, and gets it.
                async with asyncio.timeout(self._settings.ussd_soft_deadline_seconds) as deadline:
                    return await self._claimed(turn, claim, deadline)
        except TimeoutError:
            return self._close(language, "ussd.slow")
        except Exception:
            log.exception("ussd_turn_failed", dialect=turn.dialect)
            return self._close(language, "ussd.trouble")

    async def _claimed(self, turn: Turn, claim: Claim, deadline: Timeout) -> Reply:
        """The turn, with the session held. What is not committed at the end has not happened."""
        session = claim.session
        index = self._keys.blind_index(turn.phone)
        position = self.position(turn.session_id, turn.transcript)
        if session is None:
            dialled = _dialled(turn.transcript)
            session, walking = await self._begin(turn, claim, index, dialled), True
            typed = [] if session.presets else dialled
        else:
            if session.phone_index != index:
                return self._close(session.language, "ussd.dial_again")
            if receipt := _receipt_at(session, position):
                return Reply(text=receipt.text, expects_input=receipt.expects_input, step=receipt.step)
            fresh = self._new_input(session, turn)
            if fresh is None or session.ended:
                return self._close(session.language, "ussd.dial_again")
            typed, walking = [fresh], False
        reply = await self._answer(turn, session, typed, walking, deadline)
        session.receipts.append(Receipt(*position, reply.text, reply.expects_input, reply.step))
        await claim.commit(session)
        return reply

    # -- the transcript ----------------------------------------------------------------------------------------

    def position(self, session_id: str, transcript: str) -> tuple[int, str]:
        """How much was typed so far, and a keyed hash of it: all that is kept of a transcript."""
        return len(transcript), self._keys.fingerprint("transcript", session_id, transcript)

    def _new_input(self, session: Session, turn: Turn) -> str | None:
        """What was typed since the last turn; None when the transcript is not a continuation of it.

        The new input is the suffix after what was seen, never the last token: free text may hold `*`.
        """
        seen = session.receipts[-1]
        length, fingerprint = self.position(turn.session_id, turn.transcript[: seen.length])
        if length != seen.length or not same(fingerprint, seen.fingerprint):
            return None
        rest = turn.transcript[seen.length :]
        if seen.length == 0:
            return rest
        return rest[1:] if rest.startswith("*") else None

    async def _begin(self, turn: Turn, claim: Claim, phone_index: bytes, dialled: Sequence[str]) -> Session:
        """A new network session, carrying what an earlier one of the same phone left unfinished."""
        async with self.database.reading() as tx:
            caller = await self.conversation.recognise(tx, turn.phone)
            presets = await self.conversation.dial(tx, caller, dialled) if dialled else None
        before = await claim.prior(phone_index)
        return Session(
            id=f"{turn.dialect}:{turn.session_id}",
            phone_index=phone_index,
            person_id=str(caller.person_id),
            language=caller.language,
            run_id=self._run_id(turn),
            # A number from a wall goes where it says. Anything else may be a talk whose session we lost.
            skips_cart=presets is not None,
            remembered=before is not None,
            presets=presets or {},
            prior=before.unfinished(self.conversation.root_question) if before and not dialled else None,
        )

    def _run_id(self, turn: Turn) -> str:
        """Names one run of the journey, the same for a repeated request: effects are keyed by it."""
        return self._keys.fingerprint("run", turn.dialect, turn.session_id, turn.transcript)

    # -- the answer --------------------------------------------------------------------------------------------

    async def _answer(
        self, turn: Turn, session: Session, typed: Sequence[str], walking: bool, deadline: Timeout
    ) -> Reply:
        if not walking:
            try:
                typed = [clean(typed[0])]
            except GatewayError as problem:
                return self._again(session, problem)
            if moved := self._navigate(turn, session, typed[0]):
                return moved
            typed = [] if typed[0] in (BACK, HOME, MORE) else typed
        return await self._run(turn, session, typed, walking, deadline)

    def _navigate(self, turn: Turn, session: Session, typed: str) -> Reply | None:
        """Page forth and back, or change the journal and let the journey run; a reply only when the page is all."""
        shown = session.shown
        if typed == MORE and shown:
            shown.visible = min(shown.visible + 1, len(shown.pages) - 1)
            return self._page(session, shown.pages[shown.visible])
        if typed == BACK and shown and shown.visible > 0:
            shown.visible -= 1
            return self._page(session, shown.pages[shown.visible])
        if typed == HOME or (typed == BACK and not session.step_back()):
            session.presets.clear()
            session.begin_anew(self._run_id(turn))
        return None

    async def _run(self, turn: Turn, session: Session, typed: Sequence[str], walking: bool, deadline: Timeout) -> Reply:
        """The journey from its top, until it asks or ends."""
        call = Call(
            database=self.database,
            session=session,
            phone=turn.phone,
            typed=typed,
            position=len(turn.transcript),
            walking=walking,
            deadline=deadline,
        )
        try:
            end = await self.conversation.root(call)
        except Pause as pause:
            return await self._show(session, pause)
        except Restart as restart:
            if restart.unfinished:
                session.go_on(restart.unfinished)
            else:
                session.begin_anew(self._keys.fingerprint("run", session.run_id))
            return await self._run(turn, session, [], walking, deadline)
        except GatewayError as problem:
            end = End(problem.text_key, problem.params)
        session.ended, session.shown = True, None
        text = closing(session.language or DEFAULT_LANGUAGE, end.key, self._settings.ussd_page_septets, **end.params)
        return Reply(text=text, expects_input=False, step=end.key)

    async def _show(self, session: Session, pause: Pause) -> Reply:
        """Put the question on the screen; the one already there keeps its page and numbers."""
        question, language = pause.question, session.language or DEFAULT_LANGUAGE
        if session.shown is None or session.shown.id != question.id or pause.problem is None:
            options = await question.options(self.database)
            session.shown = compose(
                language,
                question,
                options,
                can_go_back=session.answers > 0,
                budget=self._settings.ussd_page_septets,
            )
        if pause.problem is not None:
            return self._again(session, pause.problem)
        return self._page(session, session.shown.pages[session.shown.visible])

    def _again(self, session: Session, problem: GatewayError) -> Reply:
        """The page on the screen once more, with a line that says what was wrong."""
        assert session.shown is not None
        notice = say(session.language or DEFAULT_LANGUAGE, problem.text_key, **problem.params)
        page = session.shown.pages[session.shown.visible]
        return self._page(session, Page(with_notice(page, notice, self._settings.ussd_page_septets)))

    def _page(self, session: Session, page: Page) -> Reply:
        return Reply(text=page.text, expects_input=True, step=session.shown.id if session.shown else "")

    def _close(self, language: str | None, key: str) -> Reply:
        """A polite end that is no part of the conversation: nothing of it is kept."""
        text = closing(
            language or DEFAULT_LANGUAGE,
            key,
            self._settings.ussd_page_septets,
            service_code=self._settings.service_code,
        )
        return Reply(text=text, expects_input=False, step=key)


def _dialled(transcript: str) -> list[str]:
    """What was dialled after the code, part by part, as `clean` takes it in."""
    parts = (gsm.typed(part) for part in transcript.split("*"))
    return [part for part in parts if 0 < len(part) <= MAX_INPUT]


def _receipt_at(session: Session, position: tuple[int, str]) -> Receipt | None:
    """The answer this position of the transcript already got."""
    length, fingerprint = position
    for receipt in reversed(session.receipts):
        if receipt.length == length and same(receipt.fingerprint, fingerprint):
            return receipt
    return None
