"""Why a code is not taken."""

from core.errors import Conflict, NotFound


class UnknownReferralCode(NotFound):
    """Nobody's code; a single wrong digit always makes one."""

    text_key = "error.unknown_referral_code"


class OwnReferralCode(Conflict):
    """One cannot bring oneself."""

    text_key = "error.own_referral_code"


class MutualReferral(Conflict):
    """The two cannot have brought each other."""

    text_key = "error.mutual_referral"


class AlreadyReferred(Conflict):
    """A code was entered before."""

    text_key = "error.already_referred"


class ReferralTooLate(Conflict):
    """The person has had a meal delivered already: they are no new friend."""

    text_key = "error.referral_too_late"


class ReferrerFull(Conflict):
    """As many as a month allows have entered this code."""

    text_key = "error.referrer_full"
