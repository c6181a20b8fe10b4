"""The states of an order and the ways between them, as data (spec/flows.md, "Order")."""

from datetime import timedelta
from typing import Literal

from core.settings import Settings

State = Literal[
    "DRAFT",
    "QUOTED",
    "AWAITING_PAYMENT",
    "PAID",
    "OFFERED",
    "ACCEPTED",
    "READY",
    "PICKED_UP",
    "DELIVERED",
    "CLOSED",
    "PAYMENT_EXPIRED",
    "REJECTED",
    "NO_ANSWER",
    "CANCELLED",
    "FAILED_DELIVERY",
    "DISPUTED",
    "RESOLVED_PAY",
    "RESOLVED_REFUND",
]

# From each state, the states it may become. DRAFT and QUOTED are lived by the cart (without and with a place);
# an order row begins when a quote is confirmed. A restaurant may forget READY: a driver who has the food has it.
# A dispute is about a meal that is on its way; before that there is only the question of cancelling.
# What was not paid may be paid again, if the customer consents to another prompt (paying_again.py).
TRANSITIONS: dict[State, tuple[State, ...]] = {
    "DRAFT": ("QUOTED",),
    "QUOTED": ("AWAITING_PAYMENT",),
    "AWAITING_PAYMENT": ("PAID", "PAYMENT_EXPIRED", "CANCELLED"),
    "PAID": ("OFFERED", "CANCELLED"),
    "OFFERED": ("ACCEPTED", "REJECTED", "NO_ANSWER", "CANCELLED"),
    "ACCEPTED": ("READY", "PICKED_UP", "CANCELLED"),
    "READY": ("PICKED_UP", "CANCELLED"),
    "PICKED_UP": ("DELIVERED", "CANCELLED", "FAILED_DELIVERY", "DISPUTED"),
    "DELIVERED": ("CLOSED",),
    "DISPUTED": ("RESOLVED_PAY", "RESOLVED_REFUND"),
    "CLOSED": (),
    "PAYMENT_EXPIRED": ("AWAITING_PAYMENT",),
    "REJECTED": (),
    "NO_ANSWER": (),
    "CANCELLED": (),
    "FAILED_DELIVERY": (),
    "RESOLVED_PAY": (),
    "RESOLVED_REFUND": (),
}

# The customer's money is in the order's escrow, and nowhere else.
FUNDED: tuple[State, ...] = ("PAID", "OFFERED", "ACCEPTED", "READY", "PICKED_UP", "DISPUTED")

# Somebody still waits for something: only these keep their 4-digit number to themselves.
OPEN: tuple[State, ...] = ("AWAITING_PAYMENT", *FUNDED)


def nothing_came(came_from: State, to: State) -> bool:
    """Whether this change of state ends an order of which nothing stays paid: its coupon may be used again."""
    unpaid: tuple[State, ...] = ("PAYMENT_EXPIRED", "REJECTED", "NO_ANSWER", "RESOLVED_REFUND")
    return to in unpaid or (to == "CANCELLED" and came_from in ("AWAITING_PAYMENT", "PAID", "OFFERED"))


def schedule(settings: Settings, state: State) -> tuple[timedelta, ...]:
    """How long after an order entered `state` the sweeper looks at it; `deadlines.STEPS` says what it does then."""
    minutes = {
        # D16: remind, ask the second phone, give up
        "OFFERED": (
            settings.restaurant_reminder_minutes,
            settings.restaurant_second_phone_minutes,
            settings.restaurant_refuse_minutes,
        ),
        # D19: remind, release
        "PICKED_UP": (settings.handover_reminder_minutes, settings.auto_release_hours * 60),
        "DELIVERED": (settings.order_close_hours * 60,),
    }
    return tuple(timedelta(minutes=after) for after in minutes.get(state, ()))
