"""What becomes of each journey when its connection drops: how it may be taken up again, and for how long.

    resume   at the very question where it broke off; a PIN is asked again
    confirm  the same, but what was agreed to is shown and asked again: money moves at the end of it
    restart  never: it is asked from the beginning, because it is short, shows what is new, or sets a secret

A journey says that it begins by `call.enter(name)`; home does so for each of its own. No life is longer than the
store's (`USSD_RESUME_MINUTES`).
"""

from menus_ussd.session import Policy

OTHERS = Policy("resume", minutes=30)

POLICIES = {
    "repeat": Policy("resume", minutes=30),
    "order": Policy("resume", minutes=30),  # as long as its cart lives (D2)
    "group": Policy("resume", minutes=30),
    "join": Policy("resume", minutes=30),
    "track": Policy("restart"),
    "track.act": Policy("confirm", minutes=10),  # cancel, pay again, received
    "wallet": Policy("restart"),
    "wallet.top_up": Policy("confirm", minutes=10),
    "wallet.again": Policy("confirm", minutes=10),
    "wallet.withdraw": Policy("confirm", minutes=10),
    "wallet.points": Policy("confirm", minutes=10),
    "wallet.statement": Policy("restart"),
    "wallet.limits": Policy("restart"),
    "wallet.alert": Policy("restart"),
    "promotions": Policy("restart"),
    "rating": Policy("restart"),
    "register": Policy("restart"),
    "staff": Policy("restart"),
    "staff.orders": Policy("resume", minutes=10),  # orders and jobs move on without them
    "staff.job": Policy("resume", minutes=10),
    "staff.prices": Policy("confirm", minutes=10),
    "staff.money": Policy("confirm", minutes=10),
    "more": Policy("restart"),
    "more.rate": Policy("restart"),
    "more.pin": Policy("restart"),
    "more.help": Policy("restart"),
}


def policy_of(journey: str) -> Policy:
    """The policy of a journey; of one that has none of its own, the usual."""
    return POLICIES.get(journey, OTHERS)
