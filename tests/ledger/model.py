"""The rules of the ledger said once more, in plain Python and one thing at a time.

What many callers do to the books at once must come to what the model says of the same calls in some order.
"""

from itertools import permutations
from typing import Any
from uuid import uuid4

from msgspec import Struct
from msgspec.structs import replace

from core.effects import KeyReused
from core.errors import NotFound
from ledger import chart
from ledger.errors import (
    AlreadyReversed,
    BalanceTooHigh,
    CurrencyMismatch,
    HoldClosed,
    HoldExceeded,
    HoldExpired,
    InsufficientFunds,
    NotReversible,
    SameAccount,
)

Raw = tuple[tuple[int, int, int], ...]  # (debited, credited, amount), accounts by their place
LIMITS = {InsufficientFunds, BalanceTooHigh}
IN_THE_BOOKS = "in the books"  # an outcome: the caller cannot tell whether by this posting or by an earlier one


class Posting(Struct, frozen=True):
    """What is asked of either door."""

    key: str
    legs: Raw
    kind: str = "model"
    reverses: str | None = None  # the key of a journal


class Post(Struct, frozen=True):
    door: str
    posting: Posting


class PostMany(Struct, frozen=True):
    postings: tuple[Posting, ...]


class Crash(Struct, frozen=True):
    """A posting whose transaction never commits."""

    posting: Posting
    how: str


class Reverse(Struct, frozen=True):
    of: str
    key: str


class Hold(Struct, frozen=True):
    key: str
    account: int
    amount: int
    minutes: int


class Capture(Struct, frozen=True):
    hold: str
    posting: Posting


class Release(Struct, frozen=True):
    hold: str


class Expire(Struct, frozen=True):
    """End what is over."""


Action = Post | PostMany | Crash | Reverse | Hold | Capture | Release | Expire


class HoldState(Struct, frozen=True):
    asked: Hold
    expires: int  # minutes on the model's clock
    state: str = "open"
    journal: str | None = None


class Refused(Exception):
    """One of `reasons`: which one is found first is not promised."""

    def __init__(self, *reasons: type[Exception]) -> None:
        self.reasons = set(reasons)


class Model:
    """Balances count on each account's normal side."""

    def __init__(self) -> None:
        mark = uuid4().hex
        self.accounts = [
            chart.provider_float("model", mark),
            chart.wallet(uuid4()),
            chart.wallet(uuid4()),
            chart.Account(f"wallet:capped-{mark}", "liability", ceiling=100),
            chart.Account(f"expense:{mark}", "expense", floor=None),
            chart.points(uuid4()),
            chart.Account(f"points-issued:{mark}", "expense", "PTS", floor=None),
        ]
        self.balances = [0] * len(self.accounts)
        self.held = [0] * len(self.accounts)
        self.journals: dict[str, Posting] = {}
        self.holds: dict[str, HoldState] = {}
        self.minutes = 0

    def copy(self) -> "Model":
        twin = object.__new__(Model)
        twin.__dict__ = {k: v.copy() if isinstance(v, (list, dict)) else v for k, v in self.__dict__.items()}
        return twin

    # -- several at once

    def some_order(self, actions: list[Action], outcomes: list[Any]) -> "Model | None":
        """This model after the actions, in an order that explains what they came to; None when there is none."""
        for order in permutations(range(len(actions))):
            after = self.copy()
            if all(after.explains(actions[place], outcomes[place]) for place in order):
                return after
        return None

    def explains(self, action: Action, outcome: Any) -> bool:
        before = self.copy()
        try:
            return outcome in (self.apply(action), IN_THE_BOOKS)
        except Refused as refused:
            self.__dict__ = before.__dict__
            return isinstance(outcome, type) and outcome in refused.reasons

    # -- one at a time

    def apply(self, action: Action) -> Any:
        """What the caller is told. Raises Refused."""
        match action:
            case Post(_, posting):
                return self._post(posting)
            case PostMany(postings):
                return self._post_many(postings)
            case Crash(posting):
                self.copy()._post(posting)
                return "crashed"
            case Reverse(of, key):
                return self._reverse(of, key)
            case Hold():
                return self._hold(action)
            case Capture(hold, posting):
                return self._capture(hold, posting)
            case Release(hold):
                return self._release(hold)
            case Expire():
                return self._expire()

    def _post(self, posting: Posting) -> bool:
        self._check(posting)
        if (replayed := self._known(posting)) is None:
            self._book(posting)
        return bool(replayed)

    def _post_many(self, postings: tuple[Posting, ...]) -> list[bool]:
        for posting in postings:
            self._check(posting)
        replayed = [self._known(posting) for posting in postings]
        self._book(*(posting for posting, known in zip(postings, replayed, strict=True) if known is None))
        return [bool(known) for known in replayed]

    def _check(self, posting: Posting) -> None:
        for debit, credit, _ in posting.legs:
            if debit == credit:
                raise Refused(SameAccount)
            if self.accounts[debit].currency != self.accounts[credit].currency:
                raise Refused(CurrencyMismatch)

    def _known(self, posting: Posting) -> bool | None:
        first = self.journals.get(posting.key)
        if first is not None and first != posting:
            raise Refused(KeyReused)
        return None if first is None else True

    def _book(self, *postings: Posting) -> None:
        wrong: set[type[Exception]] = set()
        for debit, credit, amount in (leg for posting in postings for leg in posting.legs):
            for place, change in ((debit, amount), (credit, -amount)):
                account = self.accounts[place]
                self.balances[place] += change * (1 if account.kind in ("asset", "expense") else -1)
                if account.floor is not None and self.balances[place] - self.held[place] < account.floor:
                    wrong.add(InsufficientFunds)
                if account.ceiling is not None and self.balances[place] > account.ceiling:
                    wrong.add(BalanceTooHigh)
        if wrong:
            raise Refused(*wrong)
        self.journals.update({posting.key: posting for posting in postings})

    def _reverse(self, of: str, key: str) -> bool:
        first = self.journals.get(of)
        if first is None:
            raise Refused(NotFound)
        if first.reverses is not None:
            raise Refused(NotReversible)
        back = tuple((credit, debit, amount) for debit, credit, amount in reversed(first.legs))
        posting = Posting(key, back, "reversal", of)
        if self._known(posting):
            return True
        taken_back = any(journal.reverses == of for journal in self.journals.values())
        self._book(posting)
        if taken_back:
            raise Refused(AlreadyReversed)
        return False

    def _hold(self, asked: Hold) -> bool:
        if asked.key in self.holds:
            if self.holds[asked.key].asked != asked:
                raise Refused(KeyReused)
            return True
        if asked.minutes <= self.minutes:
            raise Refused(HoldExpired)
        if self.accounts[asked.account].floor is None or self.balances[asked.account] == 0:
            raise Refused(InsufficientFunds)
        if self.balances[asked.account] - self.held[asked.account] < asked.amount:
            raise Refused(InsufficientFunds)
        self.held[asked.account] += asked.amount
        self.holds[asked.key] = HoldState(asked, asked.minutes)
        return False

    def _capture(self, key: str, posting: Posting) -> bool:
        self._check(posting)
        if key not in self.holds:
            raise Refused(NotFound)
        hold = self.holds[key]
        if hold.state == "captured" and hold.journal == posting.key:
            return bool(self._known(posting))
        if hold.state != "open":
            raise Refused(HoldClosed)
        if hold.expires <= self.minutes:
            raise Refused(HoldExpired)
        taken = sum(amount for debit, _, amount in posting.legs if debit == hold.asked.account)
        if not 0 < taken <= hold.asked.amount:
            raise Refused(HoldExceeded)
        if posting.key in self.journals:
            raise Refused(KeyReused)
        self._end(key, "captured", posting.key)
        self._book(posting)
        return False

    def _release(self, key: str) -> str:
        if key not in self.holds:
            raise Refused(NotFound)
        if self.holds[key].state not in ("open", "released"):
            raise Refused(HoldClosed)
        if self.holds[key].state == "open":
            self._end(key, "released")
        return "released"

    def _expire(self) -> str:
        over = [key for key, hold in self.holds.items() if hold.state == "open" and hold.expires <= self.minutes]
        for key in over:
            self._end(key, "expired")
        return "expired"

    def _end(self, key: str, state: str, journal: str | None = None) -> None:
        hold = self.holds[key]
        self.held[hold.asked.account] -= hold.asked.amount
        self.holds[key] = replace(hold, state=state, journal=journal)
