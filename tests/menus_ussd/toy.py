"""A small conversation that shows every kind of question, for the engine's own tests."""

import asyncio
from typing import Any
from uuid import UUID

from sqlalchemy import text

from core.database import Database, Tx
from core.errors import GatewayError
from core.money import parse_xaf
from core.sealed import seal
from gateway.schema import ROLE
from menus_ussd.call import Call, End, Restart
from menus_ussd.engine import Caller, Conversation, Dialled, Engine
from menus_ussd.questions import Name, Option
from menus_ussd.stores import SessionStore
from menus_ussd.turns import Reply, Turn

TOYS = [f"Toy number {n} with a rather long name" for n in range(1, 13)]


class WrongPin(GatewayError):
    text_key = "error.forbidden"


class SoldOut(GatewayError):
    text_key = "error.conflict"


class ToyShop:
    """What the toy conversation did, as a test wants to count it."""

    def __init__(self) -> None:
        self.names = TOYS
        self.listed = 0
        self.pins: dict[str, str] = {}
        self.sold_out = False
        self.broken_after_commit = False
        self.slow_seconds = 0.0

    async def toys(self, tx: Tx) -> list[Option]:
        self.listed += 1
        return [Option(Name(name), number) for number, name in enumerate(self.names, 1)]

    async def price(self, tx: Tx, *, toy: int) -> int:
        return toy * 100

    async def buy(self, tx: Tx, *, toy: int, amount: int) -> dict[str, int]:
        if self.sold_out:
            raise SoldOut()
        await asyncio.sleep(self.slow_seconds)
        await tx.run(text("INSERT INTO sale (toy) VALUES (:toy)"), {"toy": toy})
        return {"toy": toy, "amount": amount}

    async def verify(self, digits: str, attempt: str) -> None:
        self.pins[attempt] = digits
        if digits != "4821":
            raise WrongPin()

    async def journey(self, call: Call) -> End:
        if call.session.prior:
            unfinished = call.session.prior
            if await call.choose("resume", [Option("go on", True), Option("anew", False)], of=bool):
                raise Restart(unfinished)
            raise Restart
        match await call.choose(
            "home",
            [Option("buy", "buy"), Option("say", "say"), Option("code", "code"), Option("again", "again")],
            of=str,
        ):
            case "buy":
                return await self.shop(call)
            case "say":
                words = await call.ask("place.landmark", lambda typed: typed)
                await call.ask("wallet.amount", parse_xaf)
                return End("ussd.place.found", {"words": words})
            case "again":
                await call.once("again", self.buy, toy=1, amount=1)
                raise Restart
            case _:
                await call.choose("track.code", [], of=str, **CODE)
                raise AssertionError

    async def shop(self, call: Call) -> End:
        toy = await call.choose("order.restaurant", self.toys, of=int)
        price = await call.look("price", self.price, toy=toy)
        await call.secret("pin.enter", self.verify)
        await call.confirm("wallet.confirm", [Option("yes", True)], amount=price)
        bought = await call.once("buy", self.buy, toy=toy, amount=price)
        if self.broken_after_commit:
            raise ConnectionError("the process dies between the effect's commit and the session's")
        return End("ussd.wallet.sent", {"amount": bought["amount"]})


SEALED = seal("delivery_code", "d.1")
CODE: dict[str, Any] = {"number": 1, "restaurant": "X", "state": "Y", "code": SEALED, "driver": "Z"}


class Handset:
    """A phone on an aggregator that sends cumulative texts."""

    def __init__(self, engine: Engine, session_id: str = "s1", phone: str = "+237670000001") -> None:
        self.engine = engine
        self.session_id = session_id
        self.phone = phone
        self.transcript = ""

    async def send(self, transcript: str) -> Reply:
        self.transcript = transcript
        turn = Turn(dialect="toy", session_id=self.session_id, phone=self.phone, transcript=transcript)
        return await self.engine.turn(turn)

    async def dial(self, digits: str = "") -> Reply:
        return await self.send(digits)

    async def say(self, *inputs: str) -> Reply:
        for typed in inputs:
            reply = await self.send(f"{self.transcript}*{typed}" if self.transcript else typed)
        return reply


async def open_shop(database: Database, store: SessionStore) -> tuple[ToyShop, Engine]:
    """A shop with its table, and an engine that runs its conversation."""
    shop = ToyShop()

    async def recognise(tx: Tx, phone: str) -> Caller:
        return Caller(UUID(int=int(phone[1:])), "fr")

    async def dial(tx: Tx, caller: Caller, parts: Any) -> Dialled | None:
        toys = {"home": "buy", "order.restaurant": int(parts[0])} if parts[0] in ("11", "12") else None
        return Dialled(toys) if toys else None

    async with database.transaction() as tx:
        driver = await tx.driver()
        await driver.execute(f"SET LOCAL ROLE NONE; CREATE TABLE sale (toy int); GRANT ALL ON sale TO {ROLE}")
    return shop, Engine(database, store, Conversation(shop.journey, "home", recognise, dial))


async def sales(database: Database) -> int:
    async with database.reading() as tx:
        return int(await tx.value(text("SELECT count(*) FROM sale")))
