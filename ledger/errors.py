"""Why a journal was not posted. Nothing was written when one of these is raised."""

from core.errors import Conflict, InvalidInput, Unavailable


class InsufficientFunds(Conflict):
    """An account would fall below its floor. Names no account and no balance: the caller knows whose it is."""

    text_key = "error.insufficient_funds"


class LedgerBusy(Unavailable):
    """The accounts stayed locked by others too long; nothing was written, the same key may be tried again."""


class InvalidPosting(InvalidInput):
    """The journal itself is wrong: a mistake of whoever composed it."""

    text_key = "error.invalid_posting"


class EmptyJournal(InvalidPosting):
    """A journal without a leg."""


class InvalidLegAmount(InvalidPosting):
    """Not a whole number of minor units from 1 to `service.MAX_AMOUNT`."""


class SameAccount(InvalidPosting):
    """A leg that debits and credits one account."""


class CurrencyMismatch(InvalidPosting):
    """A leg between accounts of different currencies."""


class AccountMismatch(InvalidPosting):
    """An account was opened with another kind or currency than the journal gives it."""
