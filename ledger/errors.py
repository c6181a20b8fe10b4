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


class TooManyLegs(InvalidPosting):
    """More than `journals.MAX_LEGS` legs in a journal, or `journals.MAX_LEGS_TOGETHER` in one call."""


class FutureDate(InvalidPosting):
    """An effective date further ahead than the settings allow."""

    text_key = "error.future_date"


class BalanceTooHigh(Conflict):
    """An account would rise above its ceiling."""

    text_key = "error.balance_too_high"


class PeriodClosed(Conflict):
    """The effective date lies in a period that is closed."""

    text_key = "error.period_closed"


class NotReversible(Conflict):
    """A reversal is not taken back: post the first journal again under a new key."""

    text_key = "error.not_reversible"


class AlreadyReversed(Conflict):
    """Another journal has taken this one back."""

    text_key = "error.already_reversed"


class HoldClosed(Conflict):
    """The hold has ended in another way."""

    text_key = "error.hold_closed"


class HoldExpired(HoldClosed):
    """The time of the hold is over."""


class HoldExceeded(Conflict):
    """The journal does not take between 1 and the held amount from the account that was held."""

    text_key = "error.hold_exceeded"


class NotSealed(Conflict):
    """The journal is too new to be proven; a worker seals every few seconds."""

    text_key = "error.not_sealed"


class NotAsSealed(Conflict):
    """Somebody changed the journal after it was sealed, or the seal: `gateway doctor --deep` says which."""

    text_key = "error.not_as_sealed"


class PostingUnknown(Unavailable):
    """The database was lost while it answered: the same key tells whether the journal was posted."""


class PeriodReopened(Conflict):
    """The closing was taken back before it was complete."""

    text_key = "error.period_reopened"
