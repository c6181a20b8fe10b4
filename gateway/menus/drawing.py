"""The conversation as a Mermaid diagram: questions, and the answers that lead from one to the next."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator

from menus_ussd.pages import BACK, HOME, MORE

_START = "dial"
_EVERYWHERE = (BACK, HOME, MORE)  # would hide the way that people go
_MOST_ANSWERS = 3


def drawn(arrows: Iterable[tuple[str, str, str]]) -> str:
    """`arrows` are (question, what was typed, next question or ending); endings are drawn round."""
    answers: dict[tuple[str, str], set[str]] = defaultdict(set)
    asked = {_START}
    for origin, typed, target in arrows:
        asked.add(origin)
        if typed not in _EVERYWHERE and origin != target:
            answers[origin, target].add(typed)
    return "\n".join(["flowchart LR", *_nodes(answers, asked), *_edges(answers)]) + "\n"


def _nodes(answers: Iterable[tuple[str, str]], asked: set[str]) -> Iterator[str]:
    for name in sorted({name for pair in answers for name in pair}):
        left, right = ("[", "]") if name in asked else ("([", "])")
        yield f'  {_id(name)}{left}"{name.removeprefix("ussd.")}"{right}'


def _edges(answers: dict[tuple[str, str], set[str]]) -> Iterator[str]:
    for (origin, target), typed in sorted(answers.items()):
        label = "" if origin == _START else f'|"{_label(typed)}"|'
        yield f"  {_id(origin)} -->{label} {_id(target)}"


def _label(typed: set[str]) -> str:
    """A few answers; of many, that there are more."""
    shown = sorted(typed, key=lambda text: (len(text), text))[:_MOST_ANSWERS]
    more = ["…"] if len(typed) > _MOST_ANSWERS else []
    return ", ".join([re.sub(r'["|#\[\]<>]', "'", text) for text in shown] + more)


def _id(name: str) -> str:
    return re.sub(r"\W", "_", name)
