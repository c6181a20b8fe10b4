"""Nalo: JSON both ways, one input at a time, no name for a session. `MSGTYPE` true begins one, or lets it go on."""

import msgspec

from channels.ussd.dialect import JSON, Answer, Callback, Capabilities, Service
from channels.ussd.reading import dialled, phone, required
from menus_ussd.turns import Reply, Turn


class Nalo:
    """A phone has one session: a new dial leaves the last one, and may take its conversation up again."""

    name = "nalo"
    can = Capabilities(method="POST", sends="json", closes_by="field", names_sessions=False, page_unit="characters")

    def decode(self, callback: Callback, service: Service) -> Turn:
        fields = callback.fields
        begins = required(fields, "MSGTYPE") == "true"
        network = fields.get("NETWORK")
        return Turn(
            dialect=self.name,
            session_id=None,
            phone=phone(fields.get("MSISDN", ""), "MSISDN"),
            kind="begin" if begins else "input",
            typed="" if begins else required(fields, "USERDATA"),
            dialled=dialled(fields, "USERDATA", service.code) if begins else "",
            network=network,
            service_code=service.code,
            page_septets=service.septets(network),
        )

    def encode(self, reply: Reply, callback: Callback) -> Answer:
        fields = callback.fields
        answer = {
            "USERID": fields.get("USERID", ""),
            "MSISDN": fields.get("MSISDN", ""),
            "MSG": reply.text,
            "MSGTYPE": reply.expects_input,
        }
        return Answer(msgspec.json.encode(answer), JSON)

    def acknowledge(self, callback: Callback) -> Answer:  # noqa: ARG002
        return Answer(b"")
