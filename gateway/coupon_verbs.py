"""The verbs for coupons: what they take. What they do is in `gateway.coupons`, loaded by need."""

import argparse

from gateway.verbs import Runner, Subparsers, instant, signed, verbs_of


def add_verbs(verbs: Subparsers, with_database: Runner) -> None:
    """`coupon add` and `coupon list`."""
    verb = verbs_of("gateway.coupons", with_database)
    actions = verbs.add_parser("coupon", help="Coupons: make one, list them.").add_subparsers(
        metavar="ACTION", required=True
    )
    _add(verb(actions, "add", "add", "Make a coupon. It counts at once, unless it says from when."))
    verb(actions, "list", "coupons", "Print every coupon: how often it was used, and what it has taken off.")


def _add(add: argparse.ArgumentParser) -> None:
    add.add_argument("number", type=int, help="what keypads dial, 1000 to 999999")
    add.add_argument("code", help="what is printed: a letter, then letters and digits, at most 20")
    worth = add.add_mutually_exclusive_group(required=True)
    worth.add_argument("--percent", type=int, help="of the dishes")
    worth.add_argument("--amount", type=int, help="XAF off the dishes")
    add.add_argument("--most", type=int, help="XAF that it takes off at most")
    add.add_argument("--least", type=int, default=0, help="XAF that the dishes must cost")
    add.add_argument("--limit", type=int, help="uses by all together (none)")
    add.add_argument("--each", type=int, default=1, help="uses by one person (1)")
    add.add_argument("--begins", type=instant, help="ISO 8601; UTC unless it says otherwise (now)")
    add.add_argument("--ends", type=instant, help="the same (30 days later)")
    add.add_argument("--for", dest="audience", choices=("all", "new"), default="all", help="or for first orders only")
    add.add_argument("--to", action="append", metavar="PHONE", help="only for these people; more than once for more")
    add.add_argument("--restaurant", type=int, help="where it counts, by its number (everywhere)")
    add.add_argument("--paid-by", choices=("platform", "restaurant"), default="platform", help="whose income it lowers")
    signed(add)
