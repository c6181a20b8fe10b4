"""Hubtel: JSON both ways, one input at a time, each with its number. Answers are due within 5 s."""

import msgspec

from channels.ussd.dialect import JSON, Answer, Callback, Capabilities, Service
from channels.ussd.reading import number, own_code, phone, required, session_id, without_code
from channels.ussd.refusals import Refusal
from menus_ussd.turns import Ended, Ending, Kind, Reply, Turn

BEGIN, INPUT = "initiation", "response"
KINDS: dict[str, Kind] = {BEGIN: "begin", INPUT: "input"}
ENDINGS: dict[str, Ending] = {"release": "abort", "timeout": "timeout"}


class Hubtel:
    """`Type` tells turns from endings; `Message` is the dialled string first, then one input."""

    name = "hubtel"
    can = Capabilities(
        method="POST",
        sends="json",
        closes_by="field",
        counts_turns=True,
        tells_end=True,
        page_unit="characters",
    )

    def decode(self, callback: Callback, service: Service) -> Turn | Ended:
        fields = callback.fields
        told = fields.get("Type", "").lower()
        session = session_id(fields, "SessionId")
        if ending := ENDINGS.get(told):
            return Ended(dialect=self.name, session_id=session, kind=ending)
        if told not in KINDS:
            raise Refusal("ussd.unreadable", "Type")
        own_code(fields, "ServiceCode", service.code)
        message, network = required(fields, "Message"), fields.get("Operator")
        return Turn(
            dialect=self.name,
            session_id=session,
            phone=phone(fields.get("Mobile", ""), "Mobile"),
            kind=KINDS[told],
            typed="" if told == BEGIN else message,
            dialled=without_code(message, service.code) if told == BEGIN else "",
            sequence=number(fields, "Sequence"),
            network=network,
            service_code=service.code,
            page_septets=service.septets(network),
        )

    def encode(self, reply: Reply, callback: Callback) -> Answer:
        return _answer("Response" if reply.expects_input else "Release", reply.text, callback)

    def acknowledge(self, callback: Callback) -> Answer:
        return _answer("Release", "", callback)


def _answer(kind: str, message: str, callback: Callback) -> Answer:
    """`ClientState` is what we asked to be told again: nothing, so it goes back as it came."""
    state = callback.fields.get("ClientState", "")
    return Answer(msgspec.json.encode({"Type": kind, "Message": message, "ClientState": state}), JSON)
