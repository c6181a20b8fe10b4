"""The doors for people and tests, under /simulator: phones, prompts, messages, faults, and a look inside."""

from typing import Annotated, Any
from uuid import uuid4

import msgspec
from litestar import Router, delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody

from core.phones import carrier_of, parse_phone
from payments.simulator import africastalking, callbacks, faults, handsets, movements, outcomes, ussd
from payments.simulator.faults import Misbehaviour
from payments.simulator.handsets import Prompt, Subscriber
from payments.simulator.movements import Movement
from payments.simulator.networks import CARRIERS, Networks, iso
from payments.simulator.ussd import Repeat, Screen

_SIM_CARD_MESSAGES = 30
_PAGE = 1000


Delay = Annotated[float, msgspec.Meta(ge=0, le=30)]


class Message(msgspec.Struct, frozen=True, rename={"sender": "from", "recipient": "to"}):
    """A text that a subscriber sends; the `id` of an earlier one sends that one again."""

    sender: str
    recipient: str
    text: Annotated[str, msgspec.Meta(max_length=918)]  # six parts
    id: str | None = None


class Dial(msgspec.Struct, frozen=True, rename={"sender": "from"}):
    """A phone dials `*237*1#`, or deeper: `*237*1*45*12*2#`, through an aggregator that takes its time."""

    sender: str
    dial: Annotated[str, msgspec.Meta(max_length=182)]
    dialect: str = ussd.AFRICASTALKING
    delay_seconds: Delay = 0


class Input(msgspec.Struct, frozen=True):
    """What the caller typed under the page."""

    input: Annotated[str, msgspec.Meta(max_length=182)]
    delay_seconds: Delay = 0


class Handset(msgspec.Struct, frozen=True):
    """A phone on the table: its subscriber, the prompts that wait, the newest messages."""

    carrier: str
    name: str
    balance_xaf: int
    prompts: list[Prompt]
    sms: list[dict[str, str]]


class Change(msgspec.Struct, frozen=True):
    """What to change of a subscriber; the rest stays."""

    balance_xaf: Annotated[int, msgspec.Meta(ge=0)] | None = None
    sms_code: int | None = None

    def __post_init__(self) -> None:
        if self.sms_code is not None and self.sms_code not in africastalking.STATUS:
            raise ValueError(f"sms_code is one of {', '.join(map(str, africastalking.STATUS))}")


@get("/phones/{msisdn:str}")
async def look(msisdn: FromPath[str], networks: NamedDependency[Networks]) -> Handset:
    """Everything a phone shows by itself."""
    phone = parse_phone(msisdn)
    holder = handsets.subscriber(networks, phone)
    return Handset(
        carrier=carrier_of(phone) or "",
        name=holder.name,
        balance_xaf=holder.balance_xaf,
        prompts=handsets.prompts(networks, phone),
        sms=africastalking.inbox(networks, phone)[:_SIM_CARD_MESSAGES],
    )


@get("/sms")
async def inbox(to: FromQuery[str], networks: NamedDependency[Networks]) -> list[dict[str, str]]:
    """The messages a handset received, newest first. `to` takes digits only."""
    return africastalking.inbox(networks, parse_phone(to))


@post("/sms")
async def send_sms(data: JSONBody[Message], networks: NamedDependency[Networks]) -> dict[str, str]:
    """A subscriber sends a text."""
    with networks.store.block():
        sent = africastalking.receive(
            networks, sender=parse_phone(data.sender), recipient=data.recipient, text=data.text, message_id=data.id
        )
    return {"id": sent}


@post("/ussd", status_code=200)
async def dial(data: JSONBody[Dial], networks: NamedDependency[Networks]) -> Screen:
    """A phone dials; whatever session it had is gone."""
    return await ussd.dial(
        networks,
        parse_phone(data.sender),
        data.dial.strip(),
        dialect=data.dialect,
        delay_seconds=data.delay_seconds,
    )


@post("/ussd/{session:str}", status_code=200)
async def key_in(session: FromPath[str], data: JSONBody[Input], networks: NamedDependency[Networks]) -> Screen:
    """A phone answers the page on its screen."""
    return await ussd.key_in(networks, session, data.input, delay_seconds=data.delay_seconds)


@post("/ussd/{session:str}/repeat", status_code=200)
async def repeat(session: FromPath[str], networks: NamedDependency[Networks]) -> Repeat:
    """The aggregator sends its last request again."""
    return await ussd.repeat(networks, session)


@delete("/ussd/{session:str}", status_code=200)
async def drop(session: FromPath[str], networks: NamedDependency[Networks]) -> Screen:
    """The caller hangs up, or the network loses them."""
    return ussd.drop(networks, session)


@get("/prompts/{msisdn:str}")
async def prompts(msisdn: FromPath[str], networks: NamedDependency[Networks]) -> list[Prompt]:
    """The payment prompts that wait on a handset, oldest first."""
    return handsets.prompts(networks, parse_phone(msisdn))


@post("/prompts/{msisdn:str}/approve", status_code=200)
async def approve(msisdn: FromPath[str], networks: NamedDependency[Networks]) -> dict[str, Any]:
    """The subscriber types the PIN on the oldest prompt."""
    return _answer(networks, msisdn, approve=True)


@post("/prompts/{msisdn:str}/reject", status_code=200)
async def reject(msisdn: FromPath[str], networks: NamedDependency[Networks]) -> dict[str, Any]:
    """The subscriber declines the oldest prompt."""
    return _answer(networks, msisdn, approve=False)


def _answer(networks: Networks, msisdn: str, *, approve: bool) -> dict[str, Any]:
    with networks.store.block():
        prompt, failure = outcomes.answer(networks, parse_phone(msisdn), approve=approve)
    shown: dict[str, Any] = msgspec.to_builtins(prompt)
    return shown | {"reason": failure}


@get("/subscribers/{msisdn:str}")
async def subscriber(msisdn: FromPath[str], networks: NamedDependency[Networks]) -> Subscriber:
    """Who holds a number, and with how much money."""
    return handsets.subscriber(networks, parse_phone(msisdn))


@put("/subscribers/{msisdn:str}")
async def change_subscriber(
    msisdn: FromPath[str], data: JSONBody[Change], networks: NamedDependency[Networks]
) -> Subscriber:
    """Make a subscriber poor, rich, or hard to reach."""
    return handsets.change(networks, parse_phone(msisdn), balance_xaf=data.balance_xaf, sms_code=data.sms_code)


@post("/subscribers/{msisdn:str}/sim", status_code=200)
async def change_sim(msisdn: FromPath[str], networks: NamedDependency[Networks]) -> dict[str, Any]:
    """The number moves to another SIM card, and the operator tells the product as the CAMARA project says."""
    event = {
        "id": str(uuid4()),
        "source": "https://operator.example/sim-swap",
        "specversion": "1.0",
        "type": "org.camaraproject.sim-swap-subscriptions.v0.swapped",
        "datacontenttype": "application/json",
        "time": iso(networks.now),
        "data": {"phoneNumber": parse_phone(msisdn), "subscriptionId": "all"},
    }
    path = f"/sim/camara/{networks.settings.sim_secret}"
    with networks.store.block():
        callbacks.enqueue(networks, "operator.sim", path, event, encoding="post-json", tries=3)
    return event


@get("/faults")
async def get_faults(networks: NamedDependency[Networks]) -> Misbehaviour:
    """What is going to go wrong."""
    return faults.current(networks)


@put("/faults")
async def put_faults(data: JSONBody[Misbehaviour], networks: NamedDependency[Networks]) -> Misbehaviour:
    """Replace what is going to go wrong."""
    faults.replace(networks, data)
    return faults.current(networks)


@get("/state")
async def state(networks: NamedDependency[Networks]) -> dict[str, Any]:
    """Counts that let a test prove what did and did not happen."""
    return {
        **{name: _counts(networks, name, kinds) for name, kinds in _KINDS.items()},
        "sms": africastalking.counts(networks),
        "ussd": ussd.counts(networks),
        "callbacks": callbacks.counts(networks),
        "next_at": networks.store.value(_NEXT),
    }


# When something happens next by itself, in seconds since 1970.
_NEXT = """
    SELECT min(at) FROM (
        SELECT due_at AS at FROM plan
        UNION ALL SELECT expires_at FROM prompt WHERE state = 'waiting'
        UNION ALL SELECT due_at FROM callback WHERE state = 'waiting'
    )
"""


def _counts(networks: Networks, provider: str, kinds: dict[str, str]) -> dict[str, Any]:
    return {shown: movements.counts(networks, provider, kind) for shown, kind in kinds.items()}


# What each provider calls its kinds of movements.
_PLAIN = {kind: kind for kind in (movements.COLLECT, movements.PAYOUT)}
_KINDS = {
    "campay": {"collect": movements.COLLECT, "withdraw": movements.PAYOUT},
    "noupay": _PLAIN,
    "pawapay": {**_PLAIN, "refund": movements.REFUND},
    "mtn": {**_PLAIN, "refund": movements.REFUND},
}


@get("/movements")
async def moved(networks: NamedDependency[Networks], after: FromQuery[int] = 0) -> list[Movement]:
    """What really happened at all providers, a page at a time, the oldest first."""
    return movements.after(networks, after, _PAGE)


@get("/floats")
async def floats(networks: NamedDependency[Networks]) -> dict[str, dict[str, int]]:
    """What the providers hold for the merchant, by provider and carrier."""
    return {
        name: {carrier: movements.float_of(networks, name, carrier) for carrier in carriers}
        for name, carriers in CARRIERS.items()
    }


router = Router(
    "/simulator",
    route_handlers=[
        look, dial, key_in, repeat, drop, inbox, send_sms, prompts, approve, reject, subscriber, change_subscriber,
        change_sim, get_faults, put_faults, state, moved, floats,
    ],
)  # fmt: skip
