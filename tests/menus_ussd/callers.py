"""Callers who do anything at any moment, on the product's own journeys, and what must hold whatever they do.

A step is a word and a number; what the number means depends on where its caller stands, so that any list of steps is a
story, and a shorter list is a shorter one.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import func, select, text

from core import gsm, sealed
from core.clock import ManualClock
from core.database import Database
from gateway.menus.pasts import PIN, SAMPLES
from ledger import chart
from ledger.service import Leg, post
from marketplace.ordering import queries
from marketplace.ordering.tables import customer_order
from marketplace.people import service as people
from marketplace.people.tables import person
from menus_ussd.call import Call, End
from menus_ussd.engine import Conversation, Engine
from menus_ussd.journeys import CONVERSATION, home
from menus_ussd.journeys.policies import POLICIES
from menus_ussd.positions import milliseconds
from menus_ussd.questions import Option
from menus_ussd.session import Session, encode
from menus_ussd.stores import StoreAway
from menus_ussd.stores.memory import MemorySessionStore
from menus_ussd.turns import Reply
from menus_ussd.walk import HOSTILE, _has_way_out
from tests.menus_ussd.toy import Handset

WRONG_PINS = ("582047", "920475")
SECRETS = (PIN, *WRONG_PINS)
CONFIRMATIONS = ("order.confirm", "order.repriced")
DIALS = ("", "", "45", "45*1*2", "10*1", "1", "3", "4", "5", "7", "7*1234", "8", "9", "3*4821", "2*1*1", "77")
HUNGRY_STEPS = 8

# What an open cart is, asked in other words than the product's.
_CART = text("""
SELECT count(*) FILTER (WHERE discarded_at IS NOT NULL) AS discarded,
       count(*) FILTER (WHERE discarded_at IS NULL AND saved_at > :since AND is_newest AND NOT ordered) AS open
  FROM (SELECT *, saved_at = max(saved_at) OVER () AS is_newest,
               EXISTS (SELECT FROM customer_order WHERE cart_id = cart.id AND cart_version = cart.version) AS ordered
          FROM cart WHERE person_id = :person) AS mine
""")


class MortalStore(MemorySessionStore):
    """A store whose process dies just before it would keep what a turn came to."""

    dies = False

    def write(self, session: Session) -> None:
        if self.dies:
            self.dies = False
            raise StoreAway("killed")
        super().write(session)

    def contents(self) -> list[Session]:
        return [session for key in self._sessions if (session := self.read(key))]


async def _one_more_question(call: Call) -> End:
    """The next version asks everybody something first."""
    await call.choose("track.which", [Option("this", "this"), Option("that", "that")])
    return await CONVERSATION.root(call)


async def _one_less(call: Call) -> End:
    """The version after that neither takes up talks nor offers carts."""
    standing = await call.look("standing", queries.standing, person_id=call.person_id)
    return await home.home(call, standing)


VERSIONS: tuple[Conversation, ...] = (
    CONVERSATION,
    CONVERSATION._replace(root=_one_more_question),
    CONVERSATION._replace(root=_one_less),
)


class World:
    """One town, and everybody's phones in it."""

    def __init__(self, database: Database, clock: ManualClock) -> None:
        self.database, self.clock = database, clock
        self.store = MortalStore(ttl_seconds=3600)
        self.engine = Engine(database, self.store, CONVERSATION)
        self.phones = 0
        self.turns = 0
        self.version = 0  # how often other code was deployed

    async def caller(self, *, rich: bool) -> "Caller":
        """Somebody who never dialled; or has a PIN and money, and a language."""
        self.phones += 1
        phone = f"+23767{self.phones:07d}"
        async with self.database.transaction() as tx:
            known = await people.recognise(tx, phone=phone)
            if rich:
                await people.choose_language(tx, person_id=known.id, language="fr")
                await people.set_pin(tx, person_id=known.id, pin=PIN)
                funds = [Leg(chart.GOODWILL, chart.wallet(known.id), 500_000)]
                await post(tx, key=f"rich:{phone}", kind="test", legs=funds)
        return Caller(self, phone, known.id)

    def deploy(self, version: int) -> None:
        self.version += 1
        self.engine.conversation = VERSIONS[version % len(VERSIONS)]

    def lose_store(self) -> None:
        self.store = MortalStore(ttl_seconds=3600)
        self.engine = Engine(self.database, self.store, self.engine.conversation)


class Caller:
    """One phone, what it did, and what it saw."""

    def __init__(self, world: World, phone: str, person_id: UUID) -> None:
        self.world, self.phone, self.person_id = world, phone, person_id
        self.sessions = 0
        self.wanted = 0  # orders: confirming once more what nobody answered for is no second wish
        self.unsure = False  # the last confirmation had no answer
        self.took_up = False  # this talk goes on with what an earlier one left
        self.wrong_pins = 0
        self.discarded = 0
        self.seen: dict[str, Reply] = {}  # of this session, by transcript
        self.last: Reply | None = None
        self.handset = Handset(world.engine, phone=phone)
        self.version = world.version  # of the code that this talk began with

    async def step(self, word: str, number: int) -> None:
        """Do one thing, and see that all holds; who has nothing to answer dials first."""
        if word in ANSWERS and await self._standing() is None:
            await (self.hunger(number) if number % 2 else self.dial(number))
        if word not in ANSWERS or await self._standing():
            await STEPS[word](self, number)

    # -- what they do --------------------------------------------------------------------------------------

    async def dial(self, number: int) -> None:
        """Whatever session there was is gone."""
        await self._dial(DIALS[number % len(DIALS)])

    async def pick(self, number: int) -> None:
        """One of the page's lines, or what people type there."""
        if session := await self._standing():
            shown = session.shown
            assert shown is not None
            lines = [key for page in shown.pages for key, _ in page.options]
            samples = [*SAMPLES.get(shown.id.partition("#")[0], ()), *self._pins(shown.id)]
            await self._say(_one_of(lines or samples or ["1"], number))

    async def navigate(self, number: int) -> None:
        if await self._standing():
            await self._say(_one_of(("0", "00", "98"), number))

    async def mistype(self, number: int) -> None:
        if await self._standing():
            await self._say(_one_of((*HOSTILE, "1*1", "12345", "*1", "000"), number))

    async def repeat(self, _: int) -> None:
        """The aggregator sends the last request again, three times at once."""
        if self.last is not None and self.handset.transcript in self.seen:
            replies = await asyncio.gather(*(self._send(self.handset.transcript) for _ in range(3)))
            assert all(reply == self.seen[self.handset.transcript] for reply in replies)

    async def stutter(self, number: int) -> None:
        """A new input that arrives three times at once."""
        if session := await self._standing():
            assert session.shown is not None
            lines = [key for page in session.shown.pages for key, _ in page.options] or ["0"]
            await self._say(_one_of(lines, number), times=3)

    async def look_back(self, number: int) -> None:
        """A request of long ago comes once more."""
        if self.seen:
            known = _one_of(list(self.seen), number)
            assert await self._send(known) == self.seen[known]

    async def hunger(self, number: int) -> None:
        """Go straight for a meal, up to the confirmation."""
        await self._dial(_one_of(("45*1", "10*2*1"), number))
        for _ in range(HUNGRY_STEPS):
            session = await self._standing()
            if session is None or session.shown is None or session.shown.id.startswith(CONFIRMATIONS):
                return
            await self.pick(0)

    async def pay(self, number: int) -> None:
        """Agree, if that is what is asked."""
        session = await self._standing()
        if session and session.shown and session.shown.id.startswith(CONFIRMATIONS):
            await self._say("12"[number % 2], times=1 + number % 3)
            await self.enter_pin(number)

    async def enter_pin(self, number: int) -> None:
        session = await self._standing()
        if session and session.shown and session.shown.asks == "secret":
            await self._say(_one_of((PIN, PIN, *WRONG_PINS), number), times=1 + number % 2)

    async def die(self, number: int) -> None:
        """The process dies when a turn has done everything but keep what it came to; half of the callers dial again."""
        session = await self._standing()
        assert session is not None and session.shown is not None
        if session.shown.id.startswith(CONFIRMATIONS) and number % 4 == 1:
            await self._say("2")  # by wallet, if they may: then it is the PIN's turn that dies
            session = await self._standing()
        self.world.store.dies = True
        if session and session.shown and session.shown.asks == "secret":
            await self._say(PIN)
        elif session and session.shown and session.shown.id.startswith(CONFIRMATIONS):
            await self._say("1")
        else:
            await self.pick(number)
        self.world.store.dies = False
        if number % 2:
            await self.take_up(0)

    async def take_up(self, number: int) -> None:
        """Dial again, go on where it broke off, and agree."""
        where = await self._broken_off()
        await self._dial("")
        if self.last and self.last.step in ("resume", "cart"):
            await self._say("1")
            assert where is None or self.last.step == where, f"{self.last.step} is not where it broke off: {where}"
            await self.pay(number)
            await self.enter_pin(number)

    async def forget(self, _: int) -> None:
        """Every session is lost; the aggregator goes on with its own."""
        self.world.lose_store()
        self.handset.engine = self.world.engine
        self.seen.clear()

    async def deploy(self, number: int) -> None:
        """Other code serves the same sessions."""
        self.world.deploy(number)

    async def wait(self, number: int) -> None:
        self.world.clock.advance(minutes=(1, 5, 11, 29, 31)[number % 5])

    # -- how they do it ------------------------------------------------------------------------------------

    async def _dial(self, digits: str) -> None:
        owed = await self._open_carts()
        self.sessions += 1
        self.handset = Handset(self.world.engine, f"{self.phone}-{self.sessions}", self.phone)
        self.seen, self.last, self.took_up = {}, None, False
        self.version = self.world.version
        reply = await self._act(digits)
        plain = digits == "" and self.world.engine.conversation is CONVERSATION
        if plain and owed and reply.step != "language":
            assert reply.step in ("resume", "cart"), f"a cart is not offered: {reply.step}"

    async def _say(self, typed: str, times: int = 1) -> None:
        before = await self._standing()
        assert before is not None and before.shown is not None
        step = before.shown.id.partition("#")[0]
        if step in CONFIRMATIONS and not (self.unsure and self.took_up):
            self.wanted += 1
        self.took_up |= step in ("resume", "cart") and typed == "1"
        self.wrong_pins += before.shown.asks == "secret" and typed != PIN
        transcript = f"{self.handset.transcript}*{typed}" if self.handset.transcript else typed
        replies = await asyncio.gather(*(self._act(transcript) for _ in range(times)))
        # What a process could not keep before it died, another one answers anew.
        kept = [reply for reply in replies if reply.step != "ussd.trouble"]
        assert all(reply == kept[0] for reply in kept), "one request, two answers"
        if step in CONFIRMATIONS or before.shown.asks == "secret":
            self.unsure = not kept
        await self._check_discards(allowed=step in ("resume", "cart"))

    async def _act(self, transcript: str) -> Reply:
        reply = await self._send(transcript)
        self.handset.transcript = transcript
        if reply.step != "ussd.trouble":
            self.seen[transcript] = reply
        self.last = reply
        return reply

    async def _send(self, transcript: str) -> Reply:
        here = self.handset.transcript
        mortal = self.world.store.dies
        self.world.clock.advance(seconds=1)  # nobody does two things at one instant
        reply = await self.handset.send(transcript)
        self.handset.transcript = here
        self.world.turns += 1
        assert mortal or reply.step != "ussd.trouble", "thrown out"
        self._check_page(reply)
        return reply

    def _check_page(self, reply: Reply) -> None:
        assert reply.text.strip(), "an empty page"
        assert gsm.septets(sealed.measurable(reply.text)) <= 160, reply.text
        session = self.world.store.read(f"toy:{self.handset.session_id}")
        if reply.expects_input and session and session.shown:
            assert _has_way_out(session), f"nobody gets out of {reply.step}"

    async def _broken_off(self) -> str | None:
        """The question of an order at which the newest session stands, if the next dial must lead back there."""
        newest = self.world.store.newest(self.world.database.keys.blind_index(self.phone))
        if newest is None or newest.ended or newest.shown is None or newest.journey not in ("order", "repeat"):
            return None
        age_ms = milliseconds(self.world.clock.now()) - newest.answered_ms
        # A talk that two versions had in hand may stand anywhere.
        same_code = self.version == self.world.version and self.world.engine.conversation is CONVERSATION
        return newest.shown.id if same_code and age_ms < POLICIES["order"].minutes * 60_000 else None

    async def _standing(self) -> Session | None:
        """The session that waits for an answer of ours."""
        if self.last is None or not self.last.expects_input:
            return None
        session = self.world.store.read(f"toy:{self.handset.session_id}")
        return session if session and not session.ended and session.shown else None

    def _pins(self, shown: str) -> tuple[str, ...]:
        return WRONG_PINS if shown.startswith("pin.enter") else ()

    # -- what must hold ------------------------------------------------------------------------------------

    async def _open_carts(self) -> int:
        async with self.world.database.reading() as tx:
            since = self.world.clock.now() - timedelta(minutes=tx.settings.cart_minutes)
            return int((await tx.one(_CART, {"person": self.person_id, "since": since})).open)

    async def _check_discards(self, *, allowed: bool) -> None:
        async with self.world.database.reading() as tx:
            found = (await tx.one(_CART, {"person": self.person_id, "since": self.world.clock.now()})).discarded
        assert allowed or found == self.discarded, "a cart was thrown away unasked"
        self.discarded = found

    async def check(self) -> None:
        """At the end of a story."""
        async with self.world.database.reading() as tx:
            mine = customer_order.c.person_id == self.person_id
            orders = await tx.value(select(func.count()).where(mine))
            misses = await tx.value(select(person.c.pin_misses).where(person.c.id == self.person_id))
        assert orders <= self.wanted, f"{orders} orders of {self.wanted} confirmations"
        assert misses <= self.wrong_pins, f"{misses} misses of {self.wrong_pins} wrong PINs"


STEPS: dict[str, Callable[[Caller, int], Awaitable[None]]] = {
    "dial": Caller.dial,
    "pick": Caller.pick,
    "navigate": Caller.navigate,
    "mistype": Caller.mistype,
    "repeat": Caller.repeat,
    "stutter": Caller.stutter,
    "look back": Caller.look_back,
    "hunger": Caller.hunger,
    "pay": Caller.pay,
    "enter pin": Caller.enter_pin,
    "die": Caller.die,
    "take up": Caller.take_up,
    "forget": Caller.forget,
    "deploy": Caller.deploy,
    "wait": Caller.wait,
}


ANSWERS = ("pick", "navigate", "mistype", "stutter", "pay", "enter pin", "die")


def no_secret_in(kept: str | bytes) -> None:
    """No PIN that was ever typed; not inside of an id or a hash, where any digits may stand."""
    held = kept.encode() if isinstance(kept, str) else kept
    for secret in SECRETS:
        assert not re.search(rb"(?<![\w-])" + secret.encode() + rb"(?![\w-])", held), "a secret is kept"


async def everything_stored(database: Database) -> str:
    """Every row of every table as text."""
    tables = text(
        "SELECT quote_ident(relname) FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    )
    async with database.reading() as tx:
        names = [row[0] for row in await tx.all(tables)]
        rows = [await tx.all(text(f"SELECT t::text FROM {name} AS t")) for name in names]
    return "\n".join(row[0] for table in rows for row in table)


def sessions(world: World) -> bytes:
    return b"\n".join(encode(session) for session in world.store.contents())


def _one_of(choices: Sequence[str], number: int) -> str:
    return choices[number % len(choices)]
