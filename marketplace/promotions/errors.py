"""Why a coupon does not count, as facts a caller can be told."""

from core.errors import Conflict, NotFound


class UnknownCoupon(NotFound):
    """No coupon has this number or word; or one that is for other people."""

    text_key = "error.unknown_coupon"


class CouponOver(Conflict):
    """Not valid any more (or not yet), or used as often as it may be."""

    text_key = "error.coupon_over"


class CouponUsed(Conflict):
    """This person has used it as often as one person may."""

    text_key = "error.coupon_used"


class CouponForNewcomers(Conflict):
    """It is for a first order only."""

    text_key = "error.coupon_for_newcomers"


class CouponElsewhere(Conflict):
    """It counts at another restaurant."""

    text_key = "error.coupon_elsewhere"


class CouponMinimum(Conflict):
    """The dishes must cost at least `minimum_xaf`."""

    text_key = "error.coupon_minimum"
