"""The conversation engine: one turn, atomic and exactly once.

A turn claims its session, finds what is new in the request, appends the answer to the journal, runs the
journey from its top to the first question without an answer, and commits journal, page and receipt together.
A repeated request finds its receipt and gets the same bytes.
"""

import asyncio
from asyncio import Timeout
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from core import gsm, logs, maintenance
from core.database import Database, Tx
from core.errors import GatewayError, TooManyRequests
from core.ids import new_id
from core.limits import Limits
from core.maintenance import Maintenance
from core.texts import DEFAULT_LANGUAGE, say
from menus_ussd import positions
from menus_ussd.call import Call, End, Pause, Restart
from menus_ussd.evidence.log import Evidence, Nowhere
from menus_ussd.evidence.observing import Observation, over
from menus_ussd.pages import BACK, HOME, MORE, closing, compose, with_notice
from menus_ussd.positions import Position
from menus_ussd.promising import Promised, Promising
from menus_ussd.questions import MAX_INPUT, clean
from menus_ussd.session import Page, Policy, Receipt, Session, Shown, Unfinished
from menus_ussd.stores import Claim, LeaseLost, SessionStore, StoreAway
from menus_ussd.turns import Ended, Form, Reply, Turn

log = logs.logger(__name__)

Journey = Callable[[Call], Awaitable[End]]


class Caller(NamedTuple):
    """Who dials: found or made at the first turn, kept in the session without the number."""

    person_id: UUID
    language: str | None


class Dialled(NamedTuple):
    """What a dialled number means."""

    answers: dict[str, Any]  # by question id
    goes_on: bool = False  # what was unfinished is offered; else a number from a wall goes where it says


class Conversation(NamedTuple):
    """What the engine runs: the root journey, and what it needs to start one."""

    root: Journey
    root_question: str  # where a conversation begins; standing there, nothing is worth taking up again
    recognise: Callable[[Tx, str], Awaitable[Caller]]  # by phone, at the first turn; each statement stands alone
    dial: Callable[[Tx, Caller, Sequence[str]], Awaitable[Dialled | None]]  # None: the parts are typed answers
    policy: Callable[[str], Policy] = lambda _: Policy()  # by journey


class Engine:
    """Answers turns. What it knows of a conversation is in the store and the database."""

    def __init__(
        self,
        database: Database,
        store: SessionStore,
        conversation: Conversation,
        evidence: Evidence | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.database = database
        self.store = store
        self.conversation = conversation
        self.evidence = evidence or Nowhere()
        self.limits = limits  # None: callers who are not real dial as often as they like
        self._settings = database.settings
        self._keys = database.keys
        self.promising = Promising(database)

    async def close(self) -> None:
        """Let what goes on after its turn come to its end, then let the store go."""
        await self.promising.close()
        await self.evidence.close()
        await self.store.close()

    async def turn(self, turn: Turn) -> Reply:
        """The page for this turn. Whatever happens, the caller gets a page that says what to do."""
        index = self._keys.blind_index(turn.phone)
        seen = Observation(self.database, turn, _key(turn, index))
        reply = await self._turn(turn, index, seen)
        seen.end(self.evidence, reply)
        return reply

    async def _turn(self, turn: Turn, index: bytes, seen: Observation) -> Reply:
        language = turn.language
        try:
            arrived = self.database.clock.now() if turn.transcript is None else None
            async with self.store.claim(_key(turn, index), index) as claim:
                language = claim.session.language or language if claim.session else language
                # The clock starts now: a repeated request has waited for the first one's answer, and gets it.
                async with asyncio.timeout(self._settings.ussd_soft_deadline_seconds) as deadline:
                    return await self._claimed(turn, claim, index, arrived, deadline, seen)
        except TimeoutError:
            return self._close(turn, language, "ussd.slow")
        except (LeaseLost, StoreAway) as problem:
            log.warning("ussd_turn_lost", dialect=turn.dialect, problem=type(problem).__name__)
            return self._close(turn, language, "ussd.trouble")
        except Exception:
            log.exception("ussd_turn_failed", dialect=turn.dialect)
            return self._close(turn, language, "ussd.trouble")

    async def ended(self, ended: Ended) -> str:
        """Notes on which screen a session was left, and returns what payments know it by (`Call.session_ref`).

        Told before the last turn, after it, twice or never: nothing of the session changes.
        """
        index = self._keys.blind_index(ended.phone) if ended.phone else b""
        key = _key(ended, index)
        async with self.store.claim(key, index) as claim:
            session = claim.session
            if session is None and ended.session_id is None:
                session = await claim.prior()
        over(self.database, self.evidence, ended, session, key)
        return self._keys.fingerprint("session", session.ref if session else key)

    async def _claimed(
        self,
        turn: Turn,
        claim: Claim,
        index: bytes,
        arrived: datetime | None,
        deadline: Timeout,
        seen: Observation,
    ) -> Reply:
        """The turn, with the session held. What is not committed at the end has not happened."""
        session = claim.session
        if session is not None and session.phone_index != index:
            return self._close(turn, session.language, "ussd.dial_again")
        at = positions.position(self._keys, turn, session)
        if session is not None and (receipt := positions.repeated(session, turn, at, arrived)):
            seen.of(session, "repeated")
            return Reply(text=receipt.text, expects_input=receipt.expects_input, step=receipt.step, form=receipt.form)
        if (state := await maintenance.current(self.database)).is_on:
            return await self._sorry(turn, claim, state)
        if _begins(turn, session):
            if await self._dials_too_often(index):
                return self._close(turn, await self._language(turn, claim), TooManyRequests.text_key)
            (session, typed), walking = await self._begin(turn, claim, index), True
            seen.of(session, "begun")
        elif session is None:
            return self._close(turn, await self._language(turn, claim), "ussd.dial_again")
        else:
            fresh = positions.new_input(self._keys, session, turn)
            if fresh is None or session.ended:
                return self._close(turn, session.language, "ussd.dial_again")
            typed, walking = [fresh], False
            seen.of(session, "answered")
            seen.typed(fresh)
        reply = await self._answer(turn, session, at, typed, walking, deadline)
        session.answer(Receipt(*at, reply.text, reply.expects_input, reply.step, reply.form))
        session.answered_ms = positions.milliseconds(self.database.clock.now())
        await claim.commit(session)
        return reply

    async def _dials_too_often(self, phone_index: bytes) -> bool:
        """Whether a phone has used up its dials (D20). Only dials count: a talk that goes on is never stopped."""
        if self.limits is None:
            return False
        try:
            await self.limits.spend("dials", phone_index.hex())
        except TooManyRequests:
            return True
        return False

    async def _begin(self, turn: Turn, claim: Claim, phone_index: bytes) -> tuple[Session, list[str]]:
        """A new network session, carrying what an earlier one of the same phone left unfinished; and what to type."""
        parts = _dialled(turn)
        async with self.database.reading() as tx:
            caller = await self.conversation.recognise(tx, turn.phone)
            dialled = await self.conversation.dial(tx, caller, parts) if parts else Dialled({}, goes_on=True)
        before = await claim.prior()
        unfinished, offers = self._unfinished(before) if before else None, dialled is not None and dialled.goes_on
        # Only a transcript names its turns for good. A phone, or a number that is given out again, needs more.
        nonce = "" if turn.transcript is not None else f":{new_id()}"
        key = _key(turn, phone_index)
        session = Session(
            id=key,
            nonce=nonce,
            phone_index=phone_index,
            person_id=str(caller.person_id),
            language=caller.language,
            run_id=self._keys.fingerprint("run", key + nonce, turn.transcript or turn.dialled),
            # A number from a wall goes where it says. Anything else may be a talk whose session we lost.
            skips_cart=dialled is not None and not offers,
            # What began without its past, and heard no answer, knows no more of that than nothing.
            remembered=before is not None and (before.remembered or before.answers > 0),
            presets=dialled.answers if dialled else {},
            prior=unfinished if offers else None,
            aside=None if offers else unfinished,
        )
        return session, ([] if dialled else parts)

    def _unfinished(self, before: Session) -> Unfinished | None:
        """What may be taken up of an earlier session, by the policy of the journey that it broke off in."""
        now_ms = positions.milliseconds(self.database.clock.now())
        return before.unfinished(self.conversation.root_question, self.conversation.policy(before.journey), now_ms)

    # -- the answer --------------------------------------------------------------------------------------------

    async def _answer(
        self, turn: Turn, session: Session, at: Position, typed: Sequence[str], walking: bool, deadline: Timeout
    ) -> Reply:
        if not walking:
            try:
                typed = [clean(typed[0])]
            except GatewayError as problem:
                return self._again(turn, session, problem)
            if moved := self._navigate(turn, session, at, typed[0]):
                return moved
            typed = [] if typed[0] in (BACK, HOME, MORE) else typed
        return await self._run(turn, session, at, typed, walking, deadline)

    def _navigate(self, turn: Turn, session: Session, at: Position, typed: str) -> Reply | None:
        """Page forth and back, or change the journal and let the journey run; a reply only when the page is all."""
        shown = session.shown
        if typed == MORE and shown:
            shown.visible = min(shown.visible + 1, len(shown.pages) - 1)
            return self._page(turn, session, shown.pages[shown.visible])
        if typed == BACK and shown and shown.visible > 0:
            shown.visible -= 1
            return self._page(turn, session, shown.pages[shown.visible])
        if typed == HOME or (typed == BACK and not session.step_back()):
            session.presets.clear()
            session.begin_anew(self._keys.fingerprint("run", session.ref, *map(str, at)))
        return None

    async def _run(
        self, turn: Turn, session: Session, at: Position, typed: Sequence[str], walking: bool, deadline: Timeout
    ) -> Reply:
        """The journey from its top, until it asks or ends."""
        call = Call(
            database=self.database,
            session=session,
            phone=turn.phone,
            typed=typed,
            position=at.number,
            walking=walking,
            deadline=deadline,
            promising=self.promising,
        )
        try:
            end = await self.conversation.root(call)
        except Pause as pause:
            return await self._show(turn, session, pause)
        except Restart as restart:
            if restart.unfinished:
                session.go_on(restart.unfinished)
            else:
                session.begin_anew(self._keys.fingerprint("run", session.run_id))
            return await self._run(turn, session, at, [], walking, deadline)
        except Promised:
            end = End("ussd.sms_follows")
        except GatewayError as problem:
            end = End(problem.text_key, problem.params)
        session.ended, session.shown = True, None
        text = closing(session.language or DEFAULT_LANGUAGE, call.varied(end.key), turn.page_septets, **end.params)
        return Reply(text=text, expects_input=False, step=end.key)

    async def _show(self, turn: Turn, session: Session, pause: Pause) -> Reply:
        """Put the question on the screen; the one already there keeps its page and numbers."""
        question, language = pause.question, session.language or DEFAULT_LANGUAGE
        if question.id == self.conversation.root_question:
            session.presets.clear()  # what was dialled has led here, and answers nothing later
        if session.shown is None or session.shown.id != question.id or pause.problem is None:
            options = await question.options(self.database)
            session.shown = compose(
                language,
                question,
                options,
                can_go_back=session.answers > 0,
                budget=turn.page_septets,
            )
        if pause.problem is not None:
            return self._again(turn, session, pause.problem)
        return self._page(turn, session, session.shown.pages[session.shown.visible])

    def _again(self, turn: Turn, session: Session, problem: GatewayError) -> Reply:
        """The page on the screen once more, with a line that says what was wrong."""
        assert session.shown is not None
        notice = say(session.language or DEFAULT_LANGUAGE, problem.text_key, **problem.params)
        page = session.shown.pages[session.shown.visible]
        return self._page(turn, session, Page(with_notice(page, notice, turn.page_septets), page.options))

    def _page(self, turn: Turn, session: Session, page: Page) -> Reply:
        shown = session.shown
        assert shown is not None
        form = _form(shown, page) if turn.draws_forms else None
        return Reply(text=page.text, expects_input=True, step=shown.id, form=form)

    async def _sorry(self, turn: Turn, claim: Claim, state: Maintenance) -> Reply:
        """Come back later. What was begun stays as it is, and is offered when its caller dials again."""
        told = maintenance.sorry(state, self.database.clock.now(), key="ussd.maintenance")
        return self._close(turn, await self._language(turn, claim), told.key, **told.params)

    async def _language(self, turn: Turn, claim: Claim) -> str | None:
        """What the caller reads; asked of the database where no session tells, as after Redis was lost."""
        if known := claim.session or await claim.prior():
            return known.language or turn.language
        try:
            async with asyncio.timeout(maintenance.PATIENCE_SECONDS), self.database.reading() as tx:
                return (await self.conversation.recognise(tx, turn.phone)).language or turn.language
        except Exception as problem:  # it may be what is under maintenance: better told in any language than not
            log.warning("ussd_language_unknown", problem=type(problem).__name__)
            return turn.language

    def _close(self, turn: Turn, language: str | None, key: str, **params: str) -> Reply:
        """A polite end that is no part of the conversation: nothing of it is kept."""
        code = turn.service_code or self._settings.service_code
        text = closing(language or DEFAULT_LANGUAGE, key, turn.page_septets, service_code=code, **params)
        return Reply(text=text, expects_input=False, step=key)


def _key(turn: Turn | Ended, phone_index: bytes) -> str:
    """Where the store keeps the session: under the aggregator's name for it, or else the phone's."""
    return f"{turn.dialect}:{turn.session_id or phone_index.hex()}"


def _form(shown: Shown, page: Page) -> Form:
    picks = [key for key, _ in page.options] if shown.asks == "line" else []
    return Form(shown.asks == "secret", picks)


def _begins(turn: Turn, session: Session | None) -> bool:
    """Whether a network session begins here; what is no dial, and of a session that we do not know, is lost."""
    if turn.kind == "opening":
        return session is None or session.ended
    return turn.kind == "begin" or (session is None and turn.transcript is not None)


def _dialled(turn: Turn) -> list[str]:
    """What was dialled after the code, part by part, as `clean` takes it in."""
    parts = (gsm.typed(part) for part in (turn.transcript or turn.dialled).split("*"))
    return [part for part in parts if 0 < len(part) <= MAX_INPUT]
