"""Africa's Talking: form fields in, `CON `/`END ` out (contracts/africastalking.md)."""

from channels.ussd.dialect import Answer, Callback, Capabilities, Service
from channels.ussd.reading import required, session_id
from channels.ussd.refusals import Refusal
from core.errors import InvalidPhone
from core.phones import parse_phone
from menus_ussd.turns import Ended, Reply, Turn

STEP_HEADER = "at-ussd-hop-metadata"  # a label of the step; it comes back in the end event
STEP_CHARACTERS = 99


class AfricasTalking:
    """The whole transcript each time; the event of a session's end has a path of its own."""

    name = "africastalking"
    can = Capabilities(
        method="POST",
        sends="form",
        closes_by="prefix",
        full_transcript=True,
        tells_end=True,
        sub_paths=True,
        page=182,
    )

    def decode(self, callback: Callback, service: Service) -> Turn | Ended:
        fields = callback.fields
        if callback.sub_path:
            return self._ended(callback)
        if fields.get("serviceCode") != service.code:
            raise Refusal("ussd.wrong_code", "serviceCode")
        network = fields.get("networkCode")
        return Turn(
            dialect=self.name,
            session_id=session_id(fields, "sessionId"),
            phone=_phone(fields.get("phoneNumber", "")),
            transcript=required(fields, "text"),
            network=network,
            service_code=service.code,
            page_septets=service.septets(network),
        )

    def _ended(self, callback: Callback) -> Ended:
        """An end event; all its fields but the session's id may be new, missing or wrong."""
        if callback.sub_path != "events":
            raise Refusal("ussd.unreadable", "path")
        return Ended(dialect=self.name, session_id=session_id(callback.fields, "sessionId"))

    def encode(self, reply: Reply, callback: Callback) -> Answer:  # noqa: ARG002
        page = ("CON " if reply.expects_input else "END ") + reply.text
        label = reply.step.replace("|", " ")[:STEP_CHARACTERS]
        return Answer(page.encode(), header=(STEP_HEADER, label) if label else None)

    def acknowledge(self, callback: Callback) -> Answer:  # noqa: ARG002
        return Answer(b"")


def _phone(raw: str) -> str:
    """A `+` that became a space is an encoding fault of the sender's: refused, not silently repaired."""
    try:
        return parse_phone(raw, carriers_plus=True)
    except InvalidPhone:
        raise Refusal("ussd.unreadable", "phoneNumber") from None
