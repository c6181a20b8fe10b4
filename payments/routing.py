"""Which provider moves the money: those that can, in the order of what a payment through them is expected to cost.

The capabilities and the figures decide, never a name. What is under way stays where it is.
"""

from collections.abc import Mapping, Sequence

import msgspec

from core.database import Tx
from core.drivers import Row
from core.phones import carrier_of
from core.settings import Settings
from payments import maintenance
from payments.errors import AmountOutOfLimits, PaymentsPaused, UnsupportedCarrier
from payments.health import direction
from payments.providers import registry
from payments.providers.protocol import Capabilities
from payments.states import Kind

# A score is basis points of the amount. A payment that fails loses a commission (D7), a second of waiting a customer
# now and then; a provider at which a lost request can never be found costs people's time.
_FAILURE_BP = 1500
_SECOND_BP = 10
_BLIND_BP = 100

_RAILS = """
SELECT name, coalesce(recent, '') AS recent, coalesce(fee_bp, 0) AS fee_bp, coalesce(latency_ms, 0) AS latency_ms,
       opened_at IS NOT NULL AS broken,
       EXISTS (SELECT FROM provider_maintenance WHERE provider = name AND carrier IN ($2, '*'))
       -- out of a float that reconciliation has found short, nothing is paid until people have looked
       OR $3 = 'out' AND EXISTS (SELECT FROM payout_freeze WHERE provider = name AND carrier = $2) AS away
FROM unnest($1::text[]) AS name
LEFT JOIN provider_health ON provider = name AND carrier = $2 AND direction = $3
"""

Limits = tuple[int, int]


class Rail(msgspec.Struct, frozen=True):
    """A provider that could move this money, and how it does at the moment."""

    capabilities: Capabilities
    score: float
    away: bool
    broken: bool

    @property
    def name(self) -> str:
        return self.capabilities.name


async def first(tx: Tx, *, kind: Kind, carrier: str | None, amount_xaf: int, prefer: str | None = None) -> Rail:
    """The rail for a new payment. `prefer` names the provider that collected the money to be refunded.

    A collection that no rail would carry now is refused: its customer is there and can be told. A payout waits.
    Raises UnsupportedCarrier, AmountOutOfLimits, PaymentsPaused.
    """
    rails = await candidates(tx, kind=kind, carrier=carrier, amount_xaf=amount_xaf)
    native = [rail for rail in rails if rail.name == prefer and rail.capabilities.native_refund and not rail.away]
    if native:
        return native[0]
    working = [rail for rail in rails if not rail.away and not rail.broken]
    if working:
        return working[0]
    if kind is Kind.COLLECT:
        raise PaymentsPaused()
    return min(rails, key=lambda rail: rail.away)


async def again(tx: Tx, *, kind: Kind, carrier: str, amount_xaf: int, tries: Mapping[str, int]) -> Rail | None:
    """The rail for another try, the least tried first; None when there is none left at all."""
    try:
        rails = await candidates(tx, kind=kind, carrier=carrier, amount_xaf=amount_xaf)
    except (UnsupportedCarrier, AmountOutOfLimits):
        return None
    return min(rails, key=lambda rail: (rail.away, rail.broken, tries.get(rail.name, 0)))


async def candidates(tx: Tx, *, kind: Kind, carrier: str | None, amount_xaf: int) -> list[Rail]:
    """Every rail for this money, the best first. Raises UnsupportedCarrier, AmountOutOfLimits."""
    settings = tx.settings
    able = [one for one in registry.in_use(settings) if carrier in one.carriers]
    if carrier is None or not able:
        raise UnsupportedCarrier()
    limits = {one.name: _limits(settings, one.name, carrier) for one in able}
    fitting = [one for one in able if limits[one.name][0] <= amount_xaf <= limits[one.name][1]]
    if not fitting:
        least, most = min(least for least, _ in limits.values()), max(most for _, most in limits.values())
        raise AmountOutOfLimits(minimum_xaf=least, maximum_xaf=most)
    rails = await _rails(tx, fitting, carrier, kind)
    return sorted(rails, key=lambda rail: rail.score)  # those that cost the same stay in the settings' order


async def must_wait(tx: Tx, *, provider: str, carrier: str, kind: Kind) -> bool:
    """Whether a prepared attempt may not be sent now. A breaker holds back no prompt that is promised already."""
    (row,) = await _read(tx, [provider], carrier, kind)
    away = row.away or maintenance.by_settings(tx.settings, provider, carrier)
    return bool(away or (row.broken and kind is not Kind.COLLECT))


def has_rail(settings: Settings, phone: str) -> bool:
    """Whether money can be asked of this number (E.164), as far as its prefix tells."""
    carrier = carrier_of(phone, settings.carrier_prefixes)
    return any(carrier in provider.carriers for provider in registry.in_use(settings))


async def _rails(tx: Tx, able: Sequence[Capabilities], carrier: str, kind: Kind) -> list[Rail]:
    rows = {row.name: row for row in await _read(tx, [one.name for one in able], carrier, kind)}
    return [
        Rail(
            one,
            score=_score(one, rows[one.name], tx.settings),
            away=rows[one.name].away or maintenance.by_settings(tx.settings, one.name, carrier),
            broken=rows[one.name].broken,
        )
        for one in able
    ]


async def _read(tx: Tx, names: list[str], carrier: str, kind: Kind) -> list[Row]:
    """What is known of rails, in one round trip: a customer who is asked to pay waits for it."""
    rows: list[Row] = await (await tx.driver()).fetch(_RAILS, names, carrier, direction(kind), record_class=Row)
    return rows


def _score(able: Capabilities, row: Row, settings: Settings) -> float:
    """What a payment is expected to cost; outcomes that are not known yet count as good ones."""
    failing: float = row.recent.count("-") / settings.breaker_window
    blind = not (able.lookup_by_our_id or able.idempotent_create or able.history)
    cost: float = row.fee_bp + failing * _FAILURE_BP + row.latency_ms / 1000 * _SECOND_BP
    return cost + (_BLIND_BP if blind else 0)


def _limits(settings: Settings, provider: str, carrier: str) -> Limits:
    everywhere = settings.attempt_minimum_xaf, settings.attempt_maximum_xaf
    return settings.provider_limits_xaf.get(f"{provider}:{carrier}", everywhere)
