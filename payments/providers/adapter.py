"""What adapters have in common: a connection pool, agreed rates, and nothing to say where a provider says nothing."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import date
from typing import ClassVar, Generic, TypeVar
from uuid import UUID

from core import http
from core.http import HttpClient
from core.money import basis_points_up
from core.settings import Settings
from payments.providers import wire
from payments.providers.protocol import Absence, Answer, Capabilities, HistoryLine, Record, Request
from payments.states import Kind

Way = TypeVar("Way")


class Adapter(ABC):
    """An adapter's beginning. One per process: it holds the connection pool."""

    capabilities: ClassVar[Capabilities]

    def __init__(
        self,
        settings: Settings,
        *,
        url: str,
        collect_fee_bp: Mapping[str, int],
        payout_fee_bp: Mapping[str, int],
        http_client: HttpClient | None,
    ) -> None:
        """Rates are in basis points of the amount, by carrier."""
        self._settings = settings
        self._http = http_client or wire.client(settings, url)
        self._collect_fee_bp = collect_fee_bp
        self._payout_fee_bp = payout_fee_bp

    async def close(self) -> None:
        await self._http.close()

    def fee_xaf(self, kind: Kind, carrier: str, amount_xaf: int) -> int:
        rates = self._collect_fee_bp if kind is Kind.COLLECT else self._payout_fee_bp
        return basis_points_up(amount_xaf, rates.get(carrier, 0))

    @abstractmethod
    async def send(self, request: Request) -> Answer: ...

    @abstractmethod
    async def read(self, ref: str, kind: Kind) -> Record | None: ...

    @abstractmethod
    async def floats(self) -> dict[str, int] | None: ...

    async def lookup(self, attempt_id: UUID, kind: Kind) -> Record | Absence | None:
        """Nobody can prove that nothing is there."""
        return None

    async def locate(self, attempt_id: UUID, *, since: date, until: date) -> list[str]:
        """Only a callback can name what was lost."""
        return []

    async def history(self, *, since: date, until: date) -> list[HistoryLine] | None:
        """It lists nothing: reconciliation reads attempt by attempt."""
        return []

    async def holder(self, phone: str) -> str | None:
        """It does not tell."""
        return None


class KnowsOurId(Adapter, Generic[Way]):
    """A provider whose reference is our id. `ways` are where a movement of a kind may be found there.

    Money that another provider collected is returned by a payout: a refund may be found among those, too.
    """

    ways: Mapping[Kind, tuple[Way, ...]]

    @abstractmethod
    async def _ask(self, way: Way, ref: str) -> http.Answer | None:
        """What the provider answers about `ref`; None when it does not."""

    @abstractmethod
    def _finding(self, answer: http.Answer, way: Way, ref: str) -> Record | Absence | None:
        """What that answer shows; None when it cannot be read."""

    async def read(self, ref: str, kind: Kind) -> Record | None:
        found = await self._find(ref, kind)
        return found if isinstance(found, Record) else None

    async def lookup(self, attempt_id: UUID, kind: Kind) -> Record | Absence | None:
        """The same. Absent only where every way of its kind knows nothing of it."""
        return await self._find(str(attempt_id), kind)

    async def locate(self, attempt_id: UUID, *, since: date, until: date) -> list[str]:
        """Our id is the reference."""
        return [str(attempt_id)]

    async def _find(self, ref: str, kind: Kind) -> Record | Absence | None:
        unread = False
        for way in self.ways[kind]:
            answer = await self._ask(way, ref)
            found = self._finding(answer, way, ref) if answer else None
            if isinstance(found, Record):
                return found
            unread |= found is None
        return None if unread else Absence()
