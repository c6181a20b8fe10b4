"""What can stop an order, as facts a caller can be told."""

from core.errors import Conflict, InvalidInput


class EmptyCart(InvalidInput):
    """No dish, or a quantity outside 1 to `carts.MOST_OF_ONE`."""

    text_key = "error.empty_cart"


class PlaceMissing(InvalidInput):
    """Nobody said where to deliver."""

    text_key = "error.place_missing"


class CartExpired(Conflict):
    """The cart is older than `cart_minutes`, or was changed since this version of it was shown."""

    text_key = "error.cart_expired"


class DishUnavailable(Conflict):
    """`dish` cannot be had today."""

    text_key = "error.dish_unavailable"


class RestaurantClosed(Conflict):
    """`restaurant` takes no orders now: closed, or too busy."""

    text_key = "error.restaurant_closed"


class TimeNotOffered(Conflict):
    """No meal can be had at this hour: too soon by now, or outside of the restaurant's hours."""

    text_key = "error.time_not_offered"


class PriceChanged(Conflict):
    """The total is `total_xaf` today, not what the customer saw: ask again, never charge it silently."""

    text_key = "error.price_changed"


class PaymentPending(Conflict):
    """Order `number` of this same cart still waits for its payment: pay or cancel that one first."""

    text_key = "error.payment_pending"


class NumbersExhausted(Conflict):
    """No free 4-digit number was found for the customer and the restaurant."""

    text_key = "error.unavailable"
    retryable = True


class WrongState(Conflict):
    """Order `number` is in `state`, from where this is not possible (or no longer)."""

    text_key = "error.wrong_state"
