"""Arkesel: JSON both ways, one input at a time; `newSession` comes with the dialled string."""

import msgspec

from channels.ussd.dialect import JSON, Answer, Callback, Capabilities, Service
from channels.ussd.reading import dialled, phone, required, session_id
from menus_ussd.turns import Reply, Turn


class Arkesel:
    """Sessions have names, turns have no numbers."""

    name = "arkesel"
    can = Capabilities(method="POST", sends="json", closes_by="field", page_unit="characters")

    def decode(self, callback: Callback, service: Service) -> Turn:
        fields = callback.fields
        begins = required(fields, "newSession") == "true"
        network = fields.get("network")
        return Turn(
            dialect=self.name,
            session_id=session_id(fields, "sessionID"),
            phone=phone(fields.get("msisdn", ""), "msisdn"),
            kind="begin" if begins else "input",
            typed="" if begins else required(fields, "userData"),
            dialled=dialled(fields, "userData", service.code) if begins else "",
            network=network,
            service_code=service.code,
            page_septets=service.septets(network),
        )

    def encode(self, reply: Reply, callback: Callback) -> Answer:
        echoed = {name: callback.fields.get(name, "") for name in ("sessionID", "userID", "msisdn")}
        answer = {**echoed, "message": reply.text, "continueSession": reply.expects_input}
        return Answer(msgspec.json.encode(answer), JSON)

    def acknowledge(self, callback: Callback) -> Answer:  # noqa: ARG002
        return Answer(b"")
