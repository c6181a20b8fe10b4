"""The dialect of Africa's Talking: form fields in, `CON `/`END ` out (contracts/africastalking.md)."""

from collections.abc import Mapping
from urllib.parse import parse_qsl

from channels.ussd.refusals import Refusal
from core.errors import InvalidPhone
from core.phones import parse_phone
from menus_ussd.turns import Reply, Turn

NAME = "africastalking"
STEP_HEADER = "at-ussd-hop-metadata"  # a label of the step; it comes back in the end event
STEP_CHARACTERS = 99


def form(body: bytes) -> dict[str, str]:
    """The fields of a form body; the last of a repeated one."""
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=40))
    except (UnicodeDecodeError, ValueError):
        raise Refusal("ussd.unreadable", "body") from None


def decode(fields: Mapping[str, str], *, service_code: str) -> Turn:
    """The turn of an interactive callback. Raises Refusal."""
    if fields.get("serviceCode") != service_code:
        raise Refusal("ussd.wrong_code", "serviceCode")
    if "text" not in fields:
        raise Refusal("ussd.unreadable", "text")
    return Turn(
        dialect=NAME,
        session_id=_session_id(fields),
        phone=_phone(fields),
        transcript=fields["text"],
        network=fields.get("networkCode"),
    )


def ended_session(fields: Mapping[str, str]) -> str:
    """The session id of an end event; all its other fields may be new, missing or wrong."""
    return f"{NAME}:{_session_id(fields)}"


def encode(reply: Reply) -> tuple[str, str]:
    """The answer's text and the step label for its header."""
    label = reply.step.replace("|", " ")[:STEP_CHARACTERS]
    return ("CON " if reply.expects_input else "END ") + reply.text, label


def _session_id(fields: Mapping[str, str]) -> str:
    session_id = fields.get("sessionId", "")
    if not 1 <= len(session_id) <= 128:
        raise Refusal("ussd.unreadable", "sessionId")
    return session_id


def _phone(fields: Mapping[str, str]) -> str:
    """A `+` that became a space is an encoding fault of the sender's: refused, not silently repaired."""
    try:
        return parse_phone(fields.get("phoneNumber", ""), carriers_plus=True)
    except InvalidPhone:
        raise Refusal("ussd.unreadable", "phoneNumber") from None
