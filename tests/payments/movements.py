"""What happened at a provider, in one form for both."""

from typing import Any

from core.money import basis_points_up
from tests.payments.faults import TECHNICAL


class Movement:
    """One movement at a provider, whichever that is."""

    def __init__(self, provider: str, row: dict[str, Any], our_id: str, kind: str, words: tuple[str, str]) -> None:
        self.provider = provider
        self.row = row
        self.our_id = our_id
        self.collects = kind in ("collect", "deposits")
        self._words = dict(zip(("SUCCESSFUL", "FAILED"), words, strict=True))

    @property
    def amount_xaf(self) -> int:
        """What it moves, whatever it says."""
        told = self.row.get("moves", self.row["amount"])
        return int(float(told))

    def is_now(self, status: str) -> bool:
        return bool(self.row["status"] == self._words[status])

    @property
    def under_way(self) -> bool:
        return self.row["status"] not in self._words.values()

    @property
    def failed_technically(self) -> bool:
        return self.is_now("FAILED") and "failureReason" in self.row

    def become(self, status: str) -> None:
        if status == "TECHNICAL" and self.provider == "pawapay":
            self.row["failureReason"] = {"failureCode": TECHNICAL}
        self.row["status"] = self._words["FAILED" if status == "TECHNICAL" else status]

    def misstate(self, how: str) -> None:
        """It moves another amount than it was asked to, or does not say how much in whole francs."""
        asked_xaf = self.amount_xaf
        told = {"none": "None", "fraction": f"{asked_xaf}.0000000000000001"}
        moves = {"more": str(asked_xaf + 100), "less": str(asked_xaf - 100), "five": "5.00"}
        self.row["amount"] = told.get(how) or moves[how]
        self.row["moves"] = asked_xaf if how in told else self.row["amount"]

    @property
    def effect_xaf(self) -> int:
        """What it did to our float when it was successful."""
        if self.collects:
            return self.amount_xaf - basis_points_up(self.amount_xaf, 250)
        return -self.amount_xaf - basis_points_up(self.amount_xaf, 100)
