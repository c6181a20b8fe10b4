"""Infobip: JSON both ways; the path names the session and what is done with it."""

import msgspec

from channels.ussd.dialect import JSON, Answer, Callback, Capabilities, Service
from channels.ussd.reading import LONGEST_SESSION_ID, language, own_code, phone, without_code
from channels.ussd.refusals import Refusal
from menus_ussd.turns import Ended, Kind, Reply, Turn

START, RESPONSE, END, STATUS = "start", "response", "end", "status"
KINDS: dict[str, Kind] = {START: "begin", RESPONSE: "input"}


class Infobip:
    """`…/{session}/start`, `response`, `end` and `status`; the short code comes with the start."""

    name = "infobip"
    can = Capabilities(method="POST", sends="json", closes_by="field", tells_end=True, sub_paths=True)

    def decode(self, callback: Callback, service: Service) -> Turn | Ended | None:
        fields = callback.fields
        session, _, told = callback.sub_path.partition("/")
        if not 1 <= len(session) <= LONGEST_SESSION_ID or told not in (*KINDS, END, STATUS):
            raise Refusal("ussd.unreadable", "path")
        if told == END:
            return Ended(dialect=self.name, session_id=session)
        if told == STATUS:
            return None
        if told == START or fields.get("shortCode"):
            own_code(fields, "shortCode", service.code)
        text, gateway = fields.get("text", ""), fields.get("ussdGwId")
        return Turn(
            dialect=self.name,
            session_id=session,
            phone=phone(fields.get("msisdn", ""), "msisdn"),
            kind=KINDS[told],
            typed="" if told == START else text,
            dialled=without_code(text, service.code) if told == START else "",
            network=gateway,
            language=language(fields, "language"),
            service_code=service.code,
            page_septets=service.septets(gateway),
        )

    def encode(self, reply: Reply, callback: Callback) -> Answer:  # noqa: ARG002
        answer = {
            "ussdMenu": reply.text,
            "shouldClose": not reply.expects_input,
            "responseExitCode": 200,
            "responseMessage": "",
        }
        return Answer(msgspec.json.encode(answer), JSON)

    def acknowledge(self, callback: Callback) -> Answer:  # noqa: ARG002
        return Answer(msgspec.json.encode({"responseExitCode": 200, "responseMessage": ""}), JSON)
