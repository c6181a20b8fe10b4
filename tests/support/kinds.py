"""Which kinds of journals the code can post, read from its source: every value that reaches a parameter `kind`."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
_ROOMS = ("ledger", "payments", "marketplace", "gateway")
# Those of the ledger that post or hold, and what builds a journal.
_DOORS = {"post", "reverse", "capture", "Journal", "hold"}
_ELSEWHERE = {"money_in", "money_out"}  # of payments.journals, called from other modules
_PAYMENTS = "(?:collect|payout|refund)"

# What happens there is no event of ours: the providers' own books, and pasts for walks through the menus.
_MADE_UP = {"simulator", "menus"}


def posted_kinds() -> set[str]:
    """Each a kind, or a pattern where a part of it is only known when it runs."""
    found: set[str] = set()
    for room in _ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            if _MADE_UP.isdisjoint(path.parts):
                module = ast.parse(path.read_text())
                found |= {_pattern(kind, module) for kind in _of_module(module)} - {None}
    return found


def _of_module(module: ast.Module) -> Iterator[ast.expr]:
    """What is handed over as the kind of a journal or a hold."""
    helpers = {made.name: made for made in ast.walk(module) if isinstance(made, ast.AsyncFunctionDef)}
    for call in ast.walk(module):
        if isinstance(call, ast.Call):
            name = _name(call.func)
            helper = helpers.get(name)
            if name in _DOORS | _ELSEWHERE or (helper and _posts(helper)):
                yield from _kind(call, helper)


def _name(called: ast.expr) -> str:
    return called.attr if isinstance(called, ast.Attribute) else called.id if isinstance(called, ast.Name) else ""


def _posts(helper: ast.AsyncFunctionDef) -> bool:
    """Whether it hands its own `kind` on to the ledger."""
    calls = (call for call in ast.walk(helper) if isinstance(call, ast.Call) and _name(call.func) in _DOORS)
    words = (word for call in calls for word in call.keywords)
    return any(word.arg == "kind" and isinstance(word.value, ast.Name) for word in words)


def _kind(call: ast.Call, helper: ast.AsyncFunctionDef | None) -> Iterator[ast.expr]:
    yield from (word.value for word in call.keywords if word.arg == "kind")
    names = [argument.arg for argument in helper.args.args] if helper else []
    if "kind" in names:
        yield from call.args[names.index("kind") :][:1]


def _pattern(value: ast.expr, module: ast.Module) -> str | None:
    """None for a `kind` that is only handed on."""
    match value:
        case ast.Constant():
            return re.escape(str(value.value))
        case ast.JoinedStr():
            return "".join(_part(part) for part in value.values)
        case ast.Attribute(attr="kind"):
            return _PAYMENTS
        case ast.Name() if value.id.isupper():
            return re.escape(_constant(value.id, module))
    return None


def _part(part: ast.expr) -> str:
    if isinstance(part, ast.Constant):
        return re.escape(str(part.value))
    of_payment = isinstance(part, ast.FormattedValue) and _name(part.value) == "kind"
    return _PAYMENTS if of_payment else "[a-z_]+"


def _constant(name: str, module: ast.Module) -> str:
    """The text that a module gives to `name`."""
    for made in module.body:
        if (
            isinstance(made, ast.Assign)
            and isinstance(made.targets[0], ast.Tuple)
            and isinstance(made.value, ast.Tuple)
        ):
            for target, value in zip(made.targets[0].elts, made.value.elts, strict=True):
                if _name(target) == name and isinstance(value, ast.Constant):
                    return str(value.value)
    raise AssertionError(f"{name} is no constant")
