"""Safaricom, direct: a query in, `CON `/`END ` out; a session begins where its id is new."""

from channels.ussd.dialect import Answer, Callback, Capabilities, Service
from channels.ussd.reading import own_code, phone, required, session_id
from menus_ussd.turns import Reply, Turn


class Safaricom:
    """The whole transcript each time, and no news of a session's end."""

    name = "safaricom"
    can = Capabilities(method="GET", sends="query", closes_by="prefix", full_transcript=True)

    def decode(self, callback: Callback, service: Service) -> Turn:
        fields = callback.fields
        own_code(fields, "DEST", service.code)
        return Turn(
            dialect=self.name,
            session_id=session_id(fields, "SESSION_ID"),
            phone=phone(fields.get("ORIG", ""), "ORIG"),
            transcript=required(fields, "USSD_PARAMS"),
            network=self.name,
            service_code=service.code,
            page_septets=service.septets(self.name),
        )

    def encode(self, reply: Reply, callback: Callback) -> Answer:  # noqa: ARG002
        return Answer((("CON " if reply.expects_input else "END ") + reply.text).encode())

    def acknowledge(self, callback: Callback) -> Answer:  # noqa: ARG002
        return Answer(b"")
