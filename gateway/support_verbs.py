"""The verbs of support, for `gateway.cli`: what they take. What they do is in `gateway.support`, loaded by need."""

from gateway.verbs import Runner, Subparsers, signed, verbs_of

DECISIONS = ("refund", "pay")


def add_verbs(verbs: Subparsers, with_database: Runner) -> None:
    """Every verb of support."""
    verb = verbs_of("gateway.support", with_database)
    within = verbs.add_parser("support", help="What customers ask, and what the service has found.").add_subparsers(
        metavar="ACTION", required=True
    )
    verb(within, "list", "list_cases", "List the cases that wait for somebody.")
    for name, does, told in (
        ("show", "show_case", "Print a case with the number to call."),
        ("close", "close_case", "Say that a case has been dealt with; its customer is told."),
    ):
        one = verb(within, name, does, told)
        one.add_argument("number", type=int)
        signed(one)
    decide = verb(within, "decide", "decide", "End a dispute: all back to the payer, or everyone else is paid.")
    decide.add_argument("number", type=int)
    decide.add_argument("decision", choices=DECISIONS)
    signed(decide)
