"""The states of an order and the ways between them, as data (spec/flows.md, "Order")."""

from typing import Literal

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
TRANSITIONS: dict[State, tuple[State, ...]] = {
    "DRAFT": ("QUOTED",),
    "QUOTED": ("AWAITING_PAYMENT",),
    "AWAITING_PAYMENT": ("PAID", "PAYMENT_EXPIRED", "CANCELLED"),
    "PAID": ("OFFERED", "CANCELLED"),
    "OFFERED": ("ACCEPTED", "REJECTED", "NO_ANSWER", "CANCELLED"),
    "ACCEPTED": ("READY", "PICKED_UP", "CANCELLED", "DISPUTED"),
    "READY": ("PICKED_UP", "CANCELLED", "DISPUTED"),
    "PICKED_UP": ("DELIVERED", "CANCELLED", "FAILED_DELIVERY", "DISPUTED"),
    "DELIVERED": ("CLOSED",),
    "DISPUTED": ("RESOLVED_PAY", "RESOLVED_REFUND"),
    "CLOSED": (),
    "PAYMENT_EXPIRED": (),
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
