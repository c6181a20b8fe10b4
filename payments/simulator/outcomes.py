"""What becomes of movements: people answer prompts, prompts expire, payouts arrive, and the product is told."""

from collections.abc import Callable

from payments.simulator import campay, handsets, movements, mtn, noupay, pawapay
from payments.simulator.failures import Why
from payments.simulator.handsets import Prompt
from payments.simulator.movements import Movement
from payments.simulator.networks import Networks

_CALL_BACK: dict[str, Callable[[Networks, Movement], None]] = {
    provider.NAME: provider.call_back for provider in (campay, noupay, pawapay, mtn)
}


def answer(networks: Networks, phone: str, *, approve: bool) -> tuple[Prompt, Why | None]:
    """A person answers the oldest prompt: it, and why the payment failed. Raises NotFoundException. Part of a block."""
    prompt, failure = handsets.answer(networks, phone, approve=approve)
    _settle(networks, movements.of_prompt(networks, prompt.id), failure)
    return prompt, failure


def carry_out(networks: Networks) -> None:
    """Do what is due of all that was planned."""
    for row in networks.store.all("SELECT * FROM plan WHERE due_at <= ? ORDER BY due_at, number", networks.now):
        with networks.store.block():
            networks.store.run("DELETE FROM plan WHERE number = ?", row["number"])
            _ACTS[row["act"]](networks, movements.numbered(networks, row["movement"]))


def expire_prompts(networks: Networks) -> None:
    """Prompts that nobody answered: the payment fails."""
    with networks.store.block():
        for reference in handsets.expire(networks):
            _settle(networks, movements.of_prompt(networks, reference), Why.EXPIRED)


def _settle(networks: Networks, movement: Movement, failure: Why | None) -> None:
    ended = movements.settle(networks, movement, failure)
    if ended != movement:
        _CALL_BACK[ended.provider](networks, ended)


def _decide(networks: Networks, movement: Movement, *, approve: bool) -> None:
    answered = handsets.answer_prompt(networks, movement.ref, approve=approve)
    if answered is not None:
        _settle(networks, movement, answered[1])


def _approve(networks: Networks, movement: Movement) -> None:
    _decide(networks, movement, approve=True)


def _reject(networks: Networks, movement: Movement) -> None:
    _decide(networks, movement, approve=False)


def _succeed(networks: Networks, movement: Movement) -> None:
    _settle(networks, movement, None)


def _fail(networks: Networks, movement: Movement) -> None:
    _settle(networks, movement, Why.TECHNICAL)


_ACTS = {"approve": _approve, "reject": _reject, "succeed": _succeed, "fail": _fail, "reverse": _fail}
