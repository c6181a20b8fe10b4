"""What a journey talks to. Each method returns what the journal holds, or stops at the first thing it does not.

A journey is run from its top at every turn, so it must depend on nothing but the answers and looks it gets here.
"""

from asyncio import Timeout
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import cache, cached_property, partial
from typing import Any, TypeVar, cast, get_type_hints, overload
from uuid import UUID

import msgspec

from core import effects
from core.database import Database, Tx
from core.errors import GatewayError
from core.logs import logger
from core.texts import DEFAULT_LANGUAGE, say
from marketplace.notifications.promises import Told
from menus_ussd.evidence import experiments
from menus_ussd.pages import compose
from menus_ussd.promising import Promising
from menus_ussd.questions import (
    Basket,
    Choice,
    ChoiceOrWords,
    Confirmation,
    Option,
    Question,
    Secret,
    Source,
    Words,
)
from menus_ussd.session import Entry, Session, Shown, Unfinished

log = logger(__name__)

T = TypeVar("T")


class End(msgspec.Struct, frozen=True):
    """The last page: a text key and its parameters."""

    key: str
    params: dict[str, Any] = {}


class Pause(BaseException):
    """The journey stops at a question without an answer. Not an Exception: no journey may swallow it."""

    def __init__(self, question: Question, problem: GatewayError | None = None) -> None:
        super().__init__(question.id)
        self.question = question
        self.problem = problem


class Restart(BaseException):
    """Run the journey again: from an empty journal, or from the unfinished one that the caller takes up."""

    def __init__(self, unfinished: Unfinished | None = None) -> None:
        super().__init__()
        self.unfinished = unfinished


class Refused(GatewayError):
    """An effect that was refused on an earlier turn, told again from the journal."""

    def __init__(self, name: str, key: str, params: dict[str, Any]) -> None:
        super().__init__(**params)
        self.name = name
        self.text_key = key  # type: ignore[misc]

    @property
    def code(self) -> str:
        return self.name


class Call:
    """One turn of one caller's conversation."""

    def __init__(
        self,
        *,
        database: Database,
        session: Session,
        phone: str,
        typed: Sequence[str],
        position: int,
        walking: bool,
        deadline: Timeout,
        promising: Promising,
    ) -> None:
        self.database = database
        self.session = session
        self.phone = phone
        self._typed = deque(typed)
        self._position = position  # the turn's number, the same when it is repeated
        self._walking = walking  # inputs were dialled at once, not typed one by one
        self._walked: Pause | None = None  # at the question that was answered last by what was dialled
        self._deadline = deadline
        self._promising = promising
        self._cursor = 0
        self._asked: dict[str, int] = {}

    @cached_property
    def person_id(self) -> UUID:
        return UUID(self.session.person_id)

    @property
    def language(self) -> str:
        return self.session.language or DEFAULT_LANGUAGE

    @property
    def dialled_on(self) -> bool:
        """Whether what was dialled leads on from here: the caller knows where they want to go."""
        return bool(self.session.presets or (self._walking and self._typed))

    def say(self, key: str, **params: object) -> str:
        """A catalogue text in the caller's language: the label of an option."""
        return say(self.language, key, **params)

    @property
    def session_ref(self) -> str:
        """Names the network session towards payments, which wait for its end; tells nothing by itself."""
        return self.database.keys.fingerprint("session", self.session.ref)

    def variant(self, name: str) -> str:
        """Which variant of an experiment this caller gets, on every call the same; empty for things as they are."""
        settings = self.database.settings
        return experiments.variant_of(settings.ussd_experiments, self.database.keys, name, self.session.person_id)

    def varied(self, key: str) -> str:
        """The text that this caller gets for `key`."""
        return experiments.varied(key, self.variant(key))

    def enter(self, journey: str) -> None:
        """From here on the talk belongs to `journey`: what becomes of it when it drops is that journey's policy."""
        self.session.journey = journey

    # -- questions ---------------------------------------------------------------------------------------------

    @overload
    async def choose(self, id: str, source: Source | Sequence[Option], *args: Any, of: type[T], **params: Any) -> T: ...
    @overload
    async def choose(self, id: str, source: Source | Sequence[Option], *args: Any, **params: Any) -> str: ...

    async def choose(
        self, id: str, source: Source | Sequence[Option], *args: Any, of: type[Any] = str, **params: Any
    ) -> Any:
        """The value of the line that was picked. `source(tx, *args)` is called only when the page is shown."""
        question = Choice(id, source, *args, **params)
        answer = await self._ask(question)
        try:
            return msgspec.convert(answer, of)
        except msgspec.ValidationError:
            self._forget_last()
            raise Pause(question) from None

    async def choose_or_type(self, id: str, source: Source, *args: Any, **params: object) -> Any:
        """The value of the line that was picked, or `{"words": …}` for three letters and more."""
        return await self._ask(ChoiceOrWords(id, source, *args, **params))

    async def basket(self, id: str, source: Source, *args: Any, **params: object) -> list[tuple[Any, int]]:
        """Several lines at once with their quantities, keyed as a string of digits."""
        return [(value, quantity) for value, quantity in await self._ask(Basket(id, source, *args, **params))]

    async def confirm(self, id: str, options: Sequence[Option], **params: object) -> Any:
        """A choice that commits the caller: a deep dial stops before it."""
        return await self._ask(Confirmation(id, options, **params))

    async def ask(self, id: str, parse: Callable[[str], Any], **params: object) -> Any:
        """What was typed, as `parse` reads it."""
        return await self._ask(Words(id, parse, **params))

    async def secret(self, id: str, verify: Callable[[str, str], Awaitable[None]], **params: object) -> None:
        """Digits that `verify(digits, attempt)` accepts. `attempt` is the same for a repeated request."""
        question = self._numbered(Secret(id, **params))
        if self._recorded(question.id):
            return
        shown = self.session.shown
        # Digits that were typed on another page are no attempt at this secret.
        if not self._typed or self._walking or shown is None or shown.id != question.id:
            raise Pause(question)
        try:
            await verify(self._typed.popleft(), f"{self.session.ref}:{self._position}")
        except GatewayError as problem:
            raise Pause(question, problem) from None
        self._record(Entry(question.id, "secret"))

    async def _ask(self, question: Question) -> Any:
        self._numbered(question)
        if recorded := self._recorded(question.id):
            return recorded.value
        if question.id in self.session.presets:
            return self._record(Entry(question.id, question.answered_as, self.session.presets.pop(question.id)))
        if not self._typed or (self._walking and question.stops_walk):
            raise Pause(question)
        shown = await self._shown(question)
        if shown is None:  # the code changed under a live session: what was typed answers a question that is gone
            raise Pause(question)
        try:
            value = question.read(self._typed.popleft(), shown)
        except GatewayError as problem:
            self._typed.clear()
            raise Pause(question, problem) from None
        if self._walking:
            self._walked = Pause(question)
        return self._record(Entry(question.id, question.answered_as, value))

    async def _shown(self, question: Question) -> Shown | None:
        """The page that the input answers: the one on the screen, or for a deep dial the one it would have been."""
        if not self._walking:
            on_screen = self.session.shown
            return on_screen if on_screen and on_screen.id == question.id else None
        options = await question.options(self.database)
        return compose(self.language, question, options, can_go_back=True, budget=10_000)

    # -- reads and effects -------------------------------------------------------------------------------------

    async def look(self, name: str, query: Callable[..., Awaitable[T]], **arguments: Any) -> T:
        """What `query(tx, **arguments)` said when it was first asked on this path of answers."""
        return await self._look(name, query, arguments)

    async def draft(self, name: str, save: Callable[..., Awaitable[T]], **arguments: Any) -> T:
        """A look that writes one row: the caller's cart. Going back drops the look, going on saves anew."""
        return await self._look(name, save, arguments)

    async def _look(self, name: str, query: Callable[..., Awaitable[T]], arguments: Any) -> T:
        name = self._number(name)
        if recorded := self._recorded(name):
            try:
                return restored(query, recorded.value)
            except msgspec.ValidationError:
                self._forget_last()
        async with self.database.reading() as tx:
            found = await query(tx, **arguments)
        self._record(Entry(name, "look", msgspec.to_builtins(found)))
        return found

    async def once(
        self, step: str, effect: Callable[..., Awaitable[T]], *, told: Told | None = None, **arguments: Any
    ) -> T:
        """The result of `effect(tx, **arguments)`, which happens at most once for this run of the journey.

        The result is stored in the effect's own transaction, so a turn that is run again after a crash, or under
        a new session, gets it back. A refusal (GatewayError) is journalled and raised again on later turns.
        With `told`, a caller who cannot wait for it is promised an SMS, and it goes on without them.
        A last page tells of the result, never of what was asked for: that may have been another amount the first time.
        What was dialled leads to no effect: the answer before it is asked for on its page.
        """
        step = self._number(step)
        if recorded := self._recorded(step):
            if recorded.kind == "refused":
                raise Refused(*recorded.value)
            return restored(effect, recorded.value)
        if self._walked:
            self.session.step_back()
            raise self._walked
        self._allow_more_time()
        key = f"ussd:{self.session.run_id}:{step}"
        happening = self._happen(key, partial(effect, **arguments))
        try:
            result = await (self._or_promise(happening, key, told) if told else happening)
        except GatewayError as problem:
            value = [problem.code, problem.text_key, msgspec.to_builtins(problem.params)]
            self._record(Entry(step, "refused", value))
            raise
        self._record(Entry(step, "effect", result))
        return restored(effect, result)

    async def _happen(self, key: str, effect: Callable[[Tx], Awaitable[Any]]) -> Any:
        async with self.database.transaction() as tx:
            return await effects.once(tx, key, partial(effect, tx))

    async def _or_promise(self, happening: Coroutine[Any, Any, Any], key: str, told: Told) -> Any:
        return await self._promising.result(
            happening, key=key, person_id=self.person_id, told=told, deadline=self._deadline
        )

    def _allow_more_time(self) -> None:
        settings = self.database.settings
        extra = settings.ussd_hard_deadline_seconds - settings.ussd_soft_deadline_seconds
        if (when := self._deadline.when()) is not None:
            self._deadline.reschedule(when + extra)

    # -- the journal -------------------------------------------------------------------------------------------

    def _number(self, id: str) -> str:
        """The id of this asking: the second time in one run it is `id#2`."""
        times = self._asked[id] = self._asked.get(id, 0) + 1
        return id if times == 1 else f"{id}#{times}"

    def _numbered(self, question: Question) -> Question:
        question.id = self._number(question.text_id)
        question.text_key = self.varied(question.text_key)
        return question

    def _recorded(self, id: str) -> Entry | None:
        """The journal's next line if it is `id`'s; a line that no longer fits is dropped with all that follow."""
        journal = self.session.journal
        if self._cursor < len(journal):
            if journal[self._cursor].id == id:
                self._cursor += 1
                return journal[self._cursor - 1]
            del journal[self._cursor :]
        return None

    def _forget_last(self) -> None:
        """Drop the line that was just read, and all that follow: other code wrote it, and it means nothing here."""
        self._cursor -= 1
        log.error("ussd_journal_unreadable", line=self.session.journal[self._cursor].id)
        del self.session.journal[self._cursor :]

    def _record(self, entry: Entry) -> Any:
        self.session.journal.append(entry)
        self._cursor += 1
        return entry.value


def restored(query: Callable[..., Awaitable[T]], value: Any) -> T:
    """A result from the journal, as the type that `query` says it returns."""
    return cast(T, msgspec.convert(value, _returned(query)))


@cache
def _returned(query: Callable[..., Awaitable[Any]]) -> Any:
    return get_type_hints(query)["return"]
