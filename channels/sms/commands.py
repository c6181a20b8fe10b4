"""The commands that an SMS can be, as one table (spec/flows.md, "SMS commands").

A text is compared in lower case, without accents and doubled spaces. Who may send what is the first
column; the words are given in French and English; `takes` is what follows them.
"""

import re
from collections.abc import Awaitable, Callable
from typing import Literal

import msgspec

from channels.sms import agreeing, customer, driver, earnings, ordering, restaurant
from channels.sms.exchange import ROLE_WORDS, Ask, Reply, Role
from core.gsm import plain
from core.limits import Limit

Handler = Callable[[Ask], Awaitable[Reply]]

# How a repeat under another message id is recognised within a minute: by the same text from the same phone,
# where the text names its order; by the restaurant alone, where a single digit means whichever order waits.
Echo = Literal["no", "same text", "any text"]

NUMBER = r" ?(?P<number>\d{4})"
AMOUNT = r" ?(?P<amount>\d.*)"
STARS = r"( (?P<number>\d{4}))? ?(?P<stars>[1-5])( ?(?P<ride>[1-5]))?"


class Command(msgspec.Struct, frozen=True):
    """One line of the table."""

    role: Role
    name: str
    french: str  # regular expressions; both empty where the numbers say it all
    english: str
    takes: str
    run: Handler
    echo: Echo = "no"
    run_again: Callable[[Ask, Reply], Awaitable[Reply]] | None = None  # instead of repeating the first answer
    limit: Limit | None = None  # how often a person may (D20)

    def match(self, text: str) -> re.Match[str] | None:
        """`text` as this command, with its parts as named groups."""
        words = rf"(?P<word>(?P<fr>{self.french})|(?P<en>{self.english}))" if self.french else ""
        return re.fullmatch(words + self.takes, text)


async def help_(ask: Ask) -> Reply:
    """`AIDE`: the commands of one's role, on one line."""
    return Reply(f"sms.help_{ask.role}")


COMMANDS: tuple[Command, ...] = (
    Command("customer", "balance", "solde", "bal", "", customer.balance),
    Command("customer", "points", "points?", "pts", "", customer.points),
    Command("customer", "track", "suivi", "track", f"({NUMBER})?", customer.track),
    Command("customer", "cancel", "annuler?", "cancel", f"({NUMBER})?", customer.cancel, "same text"),
    Command("customer", "top_up", "recharger?", "topup", AMOUNT, customer.top_up, limit="payments"),
    Command("customer", "rate", "note", "rate", STARS, customer.rate, "same text"),
    Command(
        "customer",
        "order",
        "",
        "",
        r"(?P<restaurant>\d{2,3}) (?P<dishes>\d{1,3}(x\d{1,2})?( \d{1,3}(x\d{1,2})?)*)( a(?P<place>[1-3]))?",
        ordering.quote,
    ),
    Command("customer", "agree", "oui", "yes", "", ordering.agree, limit="orders"),
    Command("customer", "find", "chercher?", "find", r" ?(?P<words>[a-z].{2,29})", customer.find),
    Command("customer", "help", "aide", "help", "", help_),
    Command("customer", "stop", "stop", "stop", "", customer.stop),
    Command("customer", "start", "start", "start", "", customer.start),
    Command("restaurant", "answer", "", "", r"(?P<number>\d{4}) (?P<answer>[120])", restaurant.answer, "same text"),
    Command(
        "restaurant",
        "answer_bare",
        "",
        "",
        r"(?P<answer>[120])",
        restaurant.answer_bare,
        "any text",
        restaurant.answer_bare_again,
    ),
    Command("restaurant", "ready", "prete?", "ready", NUMBER, restaurant.ready, "same text"),
    Command("restaurant", "dish_out", "out", "out", r" ?(?P<dish>\d{1,3})", restaurant.dish_out),
    Command("restaurant", "dish_in", "in", "in", r" ?(?P<dish>\d{1,3})", restaurant.dish_in),
    Command("restaurant", "busy", "occ", "busy", r" ?(?P<minutes>\d{1,3})", restaurant.busy),
    Command("restaurant", "open", "ouvert", "open", "", restaurant.reopen),
    Command("restaurant", "close", "ferme", "close", "", restaurant.close),
    Command("restaurant", "owed", "solde", "bal", "", earnings.owed),
    Command("restaurant", "pay_out", "paye", "payout", f"({AMOUNT})?", earnings.pay_out),
    Command("restaurant", "help", "aide", "help", "", help_),
    Command("driver", "on", "on", "on", r"( (?P<quarter>.+))?", driver.on),
    Command("driver", "off", "off", "off", "", driver.off),
    Command("driver", "claim", "oui", "yes", NUMBER, driver.claim, "same text"),
    Command("driver", "yes", "oui", "yes", "", agreeing.yes, "any text", agreeing.yes_again, limit="orders"),
    Command("driver", "pick_up", "p", "p", NUMBER + r" (?P<code>\d{2})", driver.pick_up, "same text"),
    Command("driver", "arrive", "a", "a", NUMBER, driver.arrive, "same text"),
    Command("driver", "hand_over", "", "", r"((?P<number>\d{4}) )?(?P<code>\d{4})", driver.hand_over, "same text"),
    Command("driver", "problem", "pb", "pb", NUMBER + r"( (?P<kind>\d))?", driver.problem, "same text"),
    Command("driver", "owed", "gains?", "earn", "", earnings.owed),
    Command("driver", "pay_out", "paye", "payout", f"({AMOUNT})?", earnings.pay_out),
    Command("driver", "sos", "sos", "sos", "", driver.sos),
    Command("driver", "help", "aide", "help", "", help_),
)


class Reading(msgspec.Struct, frozen=True):
    """What a text can be to this sender; more than one command is for the sender to decide."""

    text: str  # plain, codes masked: what may be kept
    commands: tuple[Command, ...]
    parts: dict[str, str]
    kitchen: int | None = None  # the restaurant's number, where the role word has it: RESTO45

    @property
    def language(self) -> str | None:
        """The language of the command's word, if it has one."""
        return next((language for language in ("fr", "en") if language in self.parts), None)


def read(text: str, roles: tuple[Role, ...]) -> Reading:
    """`text` as what a person with `roles` can mean by it. Work comes before one's own meals."""
    words, roles, kitchen = _chosen_role(plain(text).rstrip(".!?"), roles)
    matches = [(command, found) for command in COMMANDS if command.role in roles if (found := command.match(words))]
    matches = [match for match in matches if match[0].role != "customer"] or matches
    if len(matches) != 1:
        return Reading(_mask(words, r"\d"), tuple(command for command, _ in matches), _parts(matches[:1]), kitchen)
    command, found = matches[0]
    masked = words
    if "code" in found.re.groupindex:
        start, end = found.span("code")
        masked = words[:start] + _mask(words[start:end], r"\d") + words[end:]
    return Reading(masked, (command,), _parts(matches), kitchen)


def _chosen_role(words: str, roles: tuple[Role, ...]) -> tuple[str, tuple[Role, ...], int | None]:
    """What follows the role word, the role, and the restaurant's number that may be glued to its word."""
    first, _, rest = words.partition(" ")
    for role in roles:
        if rest and first in ROLE_WORDS[role]:
            return rest, (role,), None
    numbered = re.fullmatch(rf"(?:{'|'.join(ROLE_WORDS['restaurant'])})(\d{{2,6}})", first)
    if rest and numbered and "restaurant" in roles:
        return rest, ("restaurant",), int(numbered[1])
    return words, roles, None


def _parts(matches: list[tuple[Command, re.Match[str]]]) -> dict[str, str]:
    return {name: part for _, found in matches for name, part in found.groupdict().items() if part is not None}


def _mask(text: str, pattern: str) -> str:
    return re.sub(pattern, "*", text)
