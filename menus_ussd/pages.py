"""Composes pages that fit the network's budget, in septets after folding (contracts/gsm.md).

Names are shortened before a list is split; a split keeps whole lines and repeats the navigation line.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from typing import Any

from msgspec import Struct

from core import gsm, sealed
from core.texts import say
from menus_ussd.questions import Menu, Name, Option, Question
from menus_ussd.session import Page, Shown

BACK, HOME, MORE = "0", "00", "98"  # tried before any question reads the input
_NAVIGATION = re.compile(rf"(?:^| )({MORE}|{HOME}|{BACK}) ")

# Septets that names are shortened to until everything fits on one page; 16 is still recognised by people.
NAME_WIDTHS = (60, 40, 30, 24, 20, 16)
SPLIT_NAME_WIDTH = 24
BASKET_LINES = 7  # a page of dishes numbers 1-7, so that every digit string has one meaning


class Line(Struct, frozen=True):
    """A line of a page; with a `key` it is an option and stands for `value`."""

    text: str
    key: str | None = None
    value: Any = None


def width(text: str) -> int:
    """Septets of a folded text, sealed codes counted as their digits."""
    return gsm.septets(sealed.measurable(text))


def closing(language: str, key: str, budget: int, **params: object) -> str:
    """The text of a last page, its names shortened as far as needed; cut at the budget if even that fails."""
    for limit in NAME_WIDTHS:
        text = _text(language, key, params, limit)
        if width(text) <= budget:
            return text
    return gsm.shorten(text, budget)


def compose(language: str, question: Question, options: Sequence[Option], *, can_go_back: bool, budget: int) -> Shown:
    """All pages of a question; those of a Menu are composed once and shared."""
    if not isinstance(options, Menu):
        return Shown(question.id, _composed(language, question, options, can_go_back, budget), asks=question.asks)
    key = (language, question.text_key, *question.params.values(), can_go_back, budget)
    pages = options.composed.get(key)
    if pages is None:
        pages = options.composed[key] = _composed(language, question, options, can_go_back, budget)
    return Shown(question.id, pages, asks=question.asks)


def _composed(
    language: str, question: Question, options: Sequence[Option], can_go_back: bool, budget: int
) -> list[Page]:
    page = _one_page(language, question, options, can_go_back, budget)
    return [page] if page else _pages(language, question, options, can_go_back, budget)


def _one_page(
    language: str, question: Question, options: Sequence[Option], can_go_back: bool, budget: int
) -> Page | None:
    """Everything on one page, its names as long as they can be; None when even short names do not fit."""
    if question.restarts_numbers and len(options) > BASKET_LINES:
        return None
    back = _back(language) if can_go_back else ""

    def shortened(limit: int) -> Page | None:
        page = _page(_lines(language, question, options, limit), back)
        return page if width(page.text) <= budget else None

    # Most pages fit as they are, and most that do not are lists, which no shortening brings onto one page.
    longest, *between, shortest = NAME_WIDTHS
    if page := shortened(longest):
        return page
    if (last := shortened(shortest)) is None:
        return None
    return next((page for limit in between if (page := shortened(limit))), last)


def _pages(language: str, question: Question, options: Sequence[Option], can_go_back: bool, budget: int) -> list[Page]:
    """As many pages as it takes, each with the way to the next."""
    back, more = _back(language), gsm.fold(say(language, "ussd.nav.more"))
    room = budget - width(f"\n{back} {more}")
    lines = _broken(_lines(language, question, options, SPLIT_NAME_WIDTH), room)
    sheets = list(_split(lines, room, restart=question.restarts_numbers))
    return [
        _page(sheet, " ".join(_navigation(back, more, number, len(sheets), can_go_back)))
        for number, sheet in enumerate(sheets)
    ]


def _back(language: str) -> str:
    return gsm.fold(say(language, "ussd.nav.back"))


def with_notice(page: Page, notice: str, budget: int) -> str:
    """The page with a line on top that says what was wrong; the page's heading, or the notice's end, gives way."""
    notice = gsm.fold(notice)
    whole = f"{notice}\n{page.text}"
    if width(whole) <= budget:
        return whole
    if page.options:
        lines = page.text.split("\n")
        first = next(i for i, line in enumerate(lines) if line.startswith(f"{page.options[0][0]} "))
        page = Page("\n".join(lines[first:]), page.options)
    room = budget - width(page.text) - 1
    return f"{gsm.shorten(notice, room)}\n{page.text}" if room > 0 else page.text


def lines(text: str, keys: Sequence[str]) -> Iterator[Line]:
    """A page's lines once more, for dialects that draw its options themselves: those of `keys`, and the navigation."""
    expected = iter(keys)
    key = next(expected, None)
    *body, last = text.split("\n")
    for line in [*body, *([] if _NAVIGATION.match(last) else [last])]:
        if key is not None and line.startswith(f"{key} "):
            yield Line(line.removeprefix(f"{key} "), key)
            key = next(expected, None)
        else:
            yield Line(line)
    if _NAVIGATION.match(last):
        _, *pairs = _NAVIGATION.split(last)
        yield from (Line(label, key) for key, label in zip(pairs[::2], pairs[1::2], strict=True))


def _navigation(back: str, more: str, number: int, pages: int, can_go_back: bool) -> Iterator[str]:
    """Page 2 can always go back, even where the first page cannot."""
    if can_go_back or number > 0:
        yield back
    if number < pages - 1:
        yield more


def _page(lines: Iterable[Line], navigation: str) -> Page:
    lines = list(lines)
    texts = [line.text if line.key is None else f"{line.key} {line.text}" for line in lines]
    options = [(line.key, line.value) for line in lines if line.key is not None]
    return Page("\n".join([*texts, navigation] if navigation else texts), options)


def _lines(language: str, question: Question, options: Sequence[Option], limit: int) -> list[Line]:
    """Every line of the question, folded, with names cut to `limit` septets."""
    head = _text(language, question.text_key, question.params, limit)
    lines = [Line(text) for text in head.split("\n")]
    for number, option in zip(_numbers(), options, strict=False):
        label = gsm.fold(_fitted(option.label, limit) + _fitted(option.suffix, limit // 2))
        lines.append(Line(label, option.digit or number, option.value))
    return lines


def _numbers() -> Iterator[str]:
    """1, 2, 3 and on, without the one that means more."""
    return (str(number) for number in count(1) if str(number) != MORE)


def _text(language: str, key: str, params: dict[str, object], limit: int) -> str:
    """A catalogue text with its names cut to `limit` septets."""
    return gsm.fold(say(language, key, **{name: _fitted(value, limit) for name, value in params.items()}))


def _fitted(value: Any, limit: int) -> Any:
    """A parameter or label, its names cut to `limit` septets."""
    if isinstance(value, Name):
        return gsm.shorten(gsm.fold(value), limit)
    return value(limit) if callable(value) else value


def _split(lines: Iterable[Line], room: int, *, restart: bool) -> Iterator[list[Line]]:
    """Whole lines over as many sheets as it takes; with `restart` the keys of each sheet begin at 1 again."""
    sheet: list[Line] = []
    for line in lines:
        keyed = sum(1 for other in sheet if other.key is not None)
        if sheet and (width(_page([*sheet, line], "").text) > room or (restart and keyed == BASKET_LINES)):
            yield sheet
            sheet, keyed = [], 0
        if restart and line.key is not None:
            line = Line(line.text, str(keyed + 1), line.value)
        sheet.append(line)
    yield sheet


def _broken(lines: Iterable[Line], room: int) -> Iterator[Line]:
    """The same lines, those wider than a page broken at a space; an option's key stays on its first piece."""
    for line in lines:
        text, key = line.text, line.key
        while width(text) > room - 3:
            cut = text.rfind(" ", 1, room - 3)
            cut = cut if cut > 0 else room - 3
            yield Line(text[:cut], key, line.value)
            text, key = text[cut:].lstrip(), None
        yield Line(text, key, line.value)
