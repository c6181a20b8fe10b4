"""The states of payments and attempts, and every step an attempt may take, in one table.

Steps only go down the page. A read at the provider is what moves an attempt that was sent; an answer, a
callback or a clock alone never makes money final (docs: payments).
"""

from enum import StrEnum


class Kind(StrEnum):
    """Which way the money goes, and why."""

    COLLECT = "collect"
    PAYOUT = "payout"
    REFUND = "refund"  # a payout bound to the collection it returns


class PaymentState(StrEnum):
    """What became of the thing that is owed."""

    OPEN = "OPEN"
    PAID = "PAID"
    FAILED = "FAILED"
    EXPIRED = "EXPIRED"  # the deadline passed; an attempt may still be live, and is read on
    CANCELLED = "CANCELLED"  # nobody wants it any more; what still arrives is a surplus
    REVIEW = "REVIEW"  # money moved that does not fit; a person decides


class State(StrEnum):
    """Where one try at one provider stands."""

    PREPARED = "PREPARED"
    SENT = "SENT"  # a request may be under way, until its lease ends
    UNKNOWN = "UNKNOWN"  # nobody can say whether the request had its effect
    PENDING = "PENDING"  # the provider has it
    QUARANTINED = "QUARANTINED"  # a collection past its deadline, still read
    DEAD = "DEAD"  # certainly without effect
    FAILED = "FAILED"
    REVIEW = "REVIEW"  # a person decides: money that does not fit (then booked, and final), or silence
    SUCCEEDED = "SUCCEEDED"


STEPS: dict[State, frozenset[State]] = {
    State.PREPARED: frozenset({State.SENT, State.DEAD}),
    State.SENT: frozenset({State.UNKNOWN, State.PENDING, State.DEAD, State.FAILED, State.REVIEW, State.SUCCEEDED}),
    State.UNKNOWN: frozenset(
        {State.PENDING, State.QUARANTINED, State.DEAD, State.FAILED, State.REVIEW, State.SUCCEEDED}
    ),
    State.PENDING: frozenset({State.QUARANTINED, State.FAILED, State.REVIEW, State.SUCCEEDED}),
    State.QUARANTINED: frozenset({State.DEAD, State.FAILED, State.REVIEW, State.SUCCEEDED}),
    # Late successes: a provider may contradict itself, and the money is then here.
    State.DEAD: frozenset({State.REVIEW, State.SUCCEEDED}),
    State.FAILED: frozenset({State.REVIEW, State.SUCCEEDED}),
    # Left to a person before any money was booked: people, a callback, or a read that goes on may still settle it.
    State.REVIEW: frozenset({State.REVIEW, State.DEAD, State.FAILED, State.SUCCEEDED}),
    State.SUCCEEDED: frozenset(),
}

# At most one attempt of a payment is in one of these and not released: the database says so.
LIVE = (State.PREPARED, State.SENT, State.PENDING, State.UNKNOWN, State.QUARANTINED)


class Failure(StrEnum):
    """Why money did not move, as far as a customer or the router can use it."""

    REJECTED = "rejected"  # by the payer, or never approved
    INSUFFICIENT_FUNDS = "insufficient_funds"
    WRONG_NUMBER = "wrong_number"
    LIMIT = "limit"
    UNSUPPORTED = "unsupported"
    LOW_FLOAT = "low_float"  # our own balance at the provider
    TECHNICAL = "technical"  # the only one after which another attempt goes out by itself
    UNSTATED = "unstated"
