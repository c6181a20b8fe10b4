"""A house in small: the engine, a CamPay to talk to, and handlers that remember what they were told."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import msgspec
from sqlalchemy import Row, select

from core.clock import ManualClock
from core.database import Database, Tx
from core.errors import Conflict
from ledger.audit import audit
from ledger.chart import GOODWILL, SUSPENSE_SURPLUS, Account, escrow, restaurant_payable, wallet
from ledger.service import Leg, balance, post
from payments import service
from payments.engine import Engine
from payments.outcomes import Outcomes, Payment
from payments.providers.campay import Campay
from payments.providers.protocol import Provider
from payments.tables import attempt, payment
from tests.payments.network import FakeCampay
from tests.support import money

PAYER = "+237670000001"
MTN_FLOAT = "float:campay:mtn"
FEES = "expense:provider_fees"
SAVER = UUID("0197a4be-0000-7000-8000-00000000000a")  # whose wallet a surplus lands in


class House:
    """What stands above and below payments in these tests."""

    def __init__(self, database: Database, clock: ManualClock, campay: FakeCampay) -> None:
        self.database = database
        self.clock = clock
        self.campay = campay
        self.told: list[tuple[str, Payment]] = []
        self.refuses: set[str] = set()  # the handlers that want nothing of it
        self.others: tuple[Provider, ...] = ()  # providers beside CamPay
        self.engine = self.another_engine()

    def another_engine(self, kind: type[Campay] = Campay) -> Engine:
        """As another worker process would have it."""
        adapter = kind(self.database.settings, http_client=self.campay.client())
        return Engine(self.database, (adapter, *self.others), self.handlers)

    def join(self, *providers: Provider, **settings: Any) -> None:
        """Other providers beside CamPay, in use from now on."""
        names = ("campay", *(provider.capabilities.name for provider in providers))
        changed = {"payment_providers": names, **settings}
        self.database.settings = msgspec.structs.replace(self.database.settings, **changed)
        self.others = providers
        self.engine = self.another_engine()

    @property
    def handlers(self) -> Outcomes:
        """Handlers that note what they hear in `told`."""
        return Outcomes(**{name: self._handler(name) for name in Outcomes.__struct_fields__})

    def _handler(self, name: str) -> Any:
        async def handle(tx: Tx, told: Payment) -> None:
            if name in self.refuses:
                raise Conflict()
            self.told.append((name, told))
            if name == "surplus":
                legs = [Leg(SUSPENSE_SURPLUS, wallet(SAVER), told.amount_xaf)]
                about = {"payment": str(told.id)}
                await post(tx, key=f"wallet:{uuid4()}", kind="surplus_to_wallet", legs=legs, metadata=about)

        return handle

    @property
    def outcomes(self) -> list[str]:
        return [name for name, _ in self.told]

    async def collect(self, *, key: str = "order:1", **changes: Any) -> Payment:
        order = uuid4()
        wanted = {"purpose": "order", "reference": order, "amount_xaf": 3800, "phone": PAYER, "credit": escrow(order)}
        async with self.database.transaction() as tx:
            return await service.request_collection(tx, key=key, **{**wanted, **changes})

    async def pay_out(self, *, key: str = "payout:1", amount_xaf: int = 2550, phone: str = PAYER) -> Payment:
        owner = uuid4()
        async with self.database.transaction() as tx:
            await post(tx, key=f"earn:{key}", kind="t", legs=[Leg(GOODWILL, restaurant_payable(owner), amount_xaf)])
        async with self.database.transaction() as tx:
            return await service.request_payout(
                tx,
                purpose="payout",
                reference=owner,
                amount_xaf=amount_xaf,
                phone=phone,
                debit=restaurant_payable(owner),
                key=key,
            )

    async def retry(self, payment_id: UUID) -> Payment:
        async with self.database.transaction() as tx:
            return await service.retry(tx, payment_id=payment_id)

    async def sweep(self, **later: float) -> None:
        """Let time pass, then do all that is due."""
        self.clock.advance(**later)
        await self.engine.sweep()

    async def attempts(self) -> Sequence[Row[Any]]:
        async with self.database.reading() as tx:
            return await tx.all(select(attempt).order_by(attempt.c.created_at, attempt.c.sent_at))

    async def states(self) -> list[str]:
        return [row.state for row in await self.attempts()]

    async def payments(self) -> Sequence[Row[Any]]:
        async with self.database.reading() as tx:
            return await tx.all(select(payment).order_by(payment.c.created_at, payment.c.id))

    async def balance(self, account: Account | str) -> int:
        async with self.database.reading() as tx:
            return await balance(tx, account)

    async def set_aside(self) -> int:
        return await money.set_aside(self.database)

    async def findings(self) -> list[str]:
        """What the ledger's audit says."""
        async with self.database.transaction() as tx:
            return await audit(tx)
