"""The states of a delivery and the ways between them, as data (spec/flows.md, "Delivery")."""

from typing import Literal

State = Literal[
    "WAITING",
    "OFFERING",
    "ASSIGNED",
    "AT_RESTAURANT",
    "PICKED_UP",
    "AT_DOOR",
    "HANDED_OVER",
    "FAILED",
    "RETURNING",
    "RETURNED",
]

# From each state, the states it may become. A driver who forgets to report an arrival is there all the same.
TRANSITIONS: dict[State, tuple[State, ...]] = {
    "WAITING": ("OFFERING", "FAILED"),
    "OFFERING": ("ASSIGNED", "FAILED"),
    "ASSIGNED": ("OFFERING", "AT_RESTAURANT", "PICKED_UP", "FAILED"),
    "AT_RESTAURANT": ("OFFERING", "PICKED_UP", "FAILED"),
    "PICKED_UP": ("AT_DOOR", "HANDED_OVER", "FAILED"),
    "AT_DOOR": ("HANDED_OVER", "FAILED"),
    "HANDED_OVER": (),
    "FAILED": ("RETURNING",),
    "RETURNING": ("RETURNED",),
    "RETURNED": (),
}

# On the way to the restaurant: the driver may still be replaced.
FETCHING: tuple[State, ...] = ("ASSIGNED", "AT_RESTAURANT")
# With the food in hand: the code exists and counts.
CARRYING: tuple[State, ...] = ("PICKED_UP", "AT_DOOR")
# What keeps a driver from delivering, by the number that they send.
PROBLEMS = {1: "vehicle", 2: "customer_absent", 3: "address", 4: "restaurant", 5: "accident"}
# What a driver holds.
JOB: tuple[State, ...] = FETCHING + CARRYING
