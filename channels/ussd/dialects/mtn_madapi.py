"""MTN's MADAPI: JSON to the callback we subscribed, one input at a time; `messageType` says what it is."""

import msgspec

from channels.ussd.dialect import JSON, Answer, Callback, Capabilities, Service
from channels.ussd.reading import language, own_code, phone, session_id, without_code
from channels.ussd.refusals import Refusal
from menus_ussd.turns import Ended, Ending, Kind, Reply, Turn

BEGIN, CONTINUE, END, NOTIFICATION, CANCEL, TIMEOUT = "0", "1", "2", "3", "4", "5"
KINDS: dict[str, Kind] = {BEGIN: "begin", CONTINUE: "input"}
ENDINGS: dict[str, Ending] = {END: "abort", CANCEL: "abort", TIMEOUT: "timeout"}


class MtnMadapi:
    """The network is the aggregator; it may tell a language."""

    name = "mtn_madapi"
    can = Capabilities(method="POST", sends="json", closes_by="field", tells_end=True, page_unit="characters")

    def decode(self, callback: Callback, service: Service) -> Turn | Ended | None:
        fields = callback.fields
        told = fields.get("messageType", "")
        if told == NOTIFICATION:
            return None
        session = session_id(fields, "sessionId")
        if ending := ENDINGS.get(told):
            return Ended(dialect=self.name, session_id=session, kind=ending)
        if told not in KINDS:
            raise Refusal("ussd.unreadable", "messageType")
        own_code(fields, "serviceCode", service.code)
        text = fields.get("ussdString", "")
        return Turn(
            dialect=self.name,
            session_id=session,
            phone=phone(fields.get("msisdn", ""), "msisdn"),
            kind=KINDS[told],
            typed="" if told == BEGIN else text,
            dialled=without_code(text, service.code) if told == BEGIN else "",
            network="mtn",
            language=language(fields, "language"),
            service_code=service.code,
            page_septets=service.septets("mtn"),
        )

    def encode(self, reply: Reply, callback: Callback) -> Answer:
        data = {
            "inboundResponse": reply.text,
            "userInputRequired": reply.expects_input,
            "messageType": CONTINUE if reply.expects_input else END,
            "serviceCode": callback.fields.get("serviceCode", ""),
            "msisdn": callback.fields.get("msisdn", ""),
        }
        return _answer(callback, data)

    def acknowledge(self, callback: Callback) -> Answer:
        return _answer(callback, None)


def _answer(callback: Callback, data: dict[str, object] | None) -> Answer:
    envelope: dict[str, object] = {
        "statusCode": "0000",
        "statusMessage": "Success",
        "transactionId": callback.fields.get("sessionId", ""),
    }
    return Answer(msgspec.json.encode(envelope | ({"data": data} if data else {})), JSON)
