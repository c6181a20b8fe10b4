"""The table that a simulation ends with."""

from collections.abc import Iterator, Mapping

import msgspec

from gateway.simulation.truth import Truth

_WIDTH = 34


class Report(msgspec.Struct, frozen=True):
    """All that came of a run."""

    orders: int
    turned_away: int
    truth: Truth
    met: Mapping[str, int]
    decided: int
    waiting: list[str]
    findings: list[str]

    @property
    def sound(self) -> bool:
        """Whether nothing was lost, taken twice or left lying, and the doctor agrees."""
        return self.truth.sound and not self.waiting and not self.findings


def render(report: Report) -> str:
    """A line for each figure, those that must be 0 last."""
    wrong = (*report.waiting, *report.truth.unbooked, *report.truth.resting, *report.findings)
    lines = [f"{name:<{_WIDTH}}{figure:>12}" for name, figure in _figures(report)]
    return "\n".join([*lines, *(f"! {finding}" for finding in wrong), ""])


def _figures(report: Report) -> Iterator[tuple[str, str]]:
    truth = report.truth
    yield "orders", _xaf(report.orders)
    yield "orders turned away", _xaf(report.turned_away)
    yield "payments", _xaf(truth.payments)
    yield "payouts and refunds", _xaf(truth.payouts)
    yield "attempts", _xaf(truth.attempts)
    yield "faults met", _xaf(sum(report.met.values()))
    for kind, times in report.met.items():
        yield f"  {kind}", _xaf(times)
    yield "decided by two of finance", _xaf(report.decided)
    yield "surplus returned", f"{_xaf(truth.surplus_returned)}"
    yield "surplus returned, XAF", _xaf(truth.surplus_xaf)
    yield "-" * _WIDTH, ""
    yield "double prompts", _xaf(truth.double_prompts)
    yield "double charges", _xaf(truth.double_charges)
    yield "returned in part", _xaf(truth.half_returned)
    yield "payouts twice", _xaf(truth.payouts_twice)
    yield "payouts misjudged", _xaf(truth.payouts_misjudged)
    yield "movements not booked", _xaf(len(truth.unbooked))
    yield "francs unaccounted for", _xaf(truth.unaccounted_xaf)
    yield "accounts not emptied", _xaf(len(truth.resting))
    yield "doctor's findings", _xaf(len(report.findings))
    yield "everything came to rest", "no" if report.waiting else "yes"


def _xaf(figure: int) -> str:
    return f"{figure:,}".replace(",", " ")
