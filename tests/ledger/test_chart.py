"""docs/accounts.md tells the truth: about every account of the chart, and every kind of journal that the code posts."""

import re

import pytest

from ledger.chart import CHART
from tests.support.kinds import ROOT, posted_kinds

PAGE = (ROOT / "docs" / "accounts.md").read_text()
CHART_PART, EVENTS_PART = PAGE.split("## The events")[0], PAGE.split("## The events")[1].split("## Posting by hand")[0]
_ROW = re.compile(r"^\| (.+) \|$", re.MULTILINE)


def rows(part: str) -> list[list[str]]:
    """The cells of every row of the part's tables, without heads and rules."""
    cells = [[cell.strip() for cell in row.split(" | ")] for row in _ROW.findall(part.replace("| |", "|  |"))]
    return [row for row in cells if row[0] not in ("account", "kind")]


def documented_kinds() -> set[str]:
    return {kind for row in rows(EVENTS_PART) for kind in re.findall(r"`([a-z_]+)`", row[0])}


def test_the_page_lists_every_account_as_the_chart_has_it() -> None:
    documented = {row[0].strip("`"): tuple(row[1:5]) for row in rows(CHART_PART)}
    assert documented == {
        family.pattern: (
            family.kind,
            family.currency,
            "none" if family.floor is None else str(family.floor),
            "yes" if family.by_hand else "no",
        )
        for family in CHART
    }


def test_the_page_names_every_kind_of_journal_that_the_code_posts() -> None:
    documented = documented_kinds()
    untold = [kind for kind in posted_kinds() if not any(re.fullmatch(kind, told) for told in documented)]
    assert untold == []


def test_the_code_posts_every_kind_of_journal_that_the_page_names() -> None:
    kinds = posted_kinds()
    invented = [told for told in documented_kinds() if not any(re.fullmatch(kind, told) for kind in kinds)]
    assert invented == []


def test_the_events_move_accounts_of_the_chart_only() -> None:
    codes = {code for row in rows(EVENTS_PART) for cell in row[2:] for code in re.findall(r"`([^`]+)`", cell)}
    assert codes - {family.pattern for family in CHART} == set()
    assert len(codes) > 15, "the tables were read"


@pytest.mark.parametrize(
    "kind", ["order_funded", "order_reserved", "collection", "manual_posting", "surplus", "capital", "review_[a-z_]+"]
)
def test_what_the_code_posts_is_read_from_its_source(kind: str) -> None:
    assert kind in posted_kinds()
