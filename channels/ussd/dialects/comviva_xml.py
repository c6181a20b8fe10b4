"""Comviva XML: `USSDDynMenuRequest` in, `USSDDynMenuResponse` out, one input at a time."""

from html import escape

from channels.ussd.dialect import Answer, Callback, Capabilities, Service
from channels.ussd.reading import after_code, own_code, phone, required, session_id
from menus_ussd.turns import Reply, Turn

XML = "text/xml; charset=utf-8"
GOES_ON, CLOSES = "1", "2"
ECHOED = ("requestId", "sessionId", "msisdn", "starCode")

_RESPONSE = (
    '<?xml version="1.0" encoding="UTF-8"?><USSDDynMenuResponse>{echoed}<langId>1</langId>'
    "<encodingScheme>0</encodingScheme><dataSet><param><id>1</id><value>{text}</value><rspFlag>{flag}</rspFlag>"
    "<default>1</default><appendIndex>0</appendIndex></param></dataSet><ErrCode>1</ErrCode>"
    "<timeStamp>{time}</timeStamp></USSDDynMenuResponse>"
)


class ComvivaXml:
    """A session begins where its id is new and `userData` is the code; `requestId` names it if `sessionId` does not."""

    name = "comviva_xml"
    can = Capabilities(method="POST", sends="xml", closes_by="field")

    def decode(self, callback: Callback, service: Service) -> Turn:
        fields = callback.fields
        own_code(fields, "starCode", service.code)
        typed = required(fields, "userData")
        dialled = after_code(typed, service.code)
        return Turn(
            dialect=self.name,
            session_id=session_id(fields, "sessionId" if fields.get("sessionId") else "requestId"),
            phone=phone(fields.get("msisdn", ""), "msisdn"),
            kind="input" if dialled is None else "opening",
            typed=typed,
            dialled=dialled or "",
            service_code=service.code,
            page_septets=service.septets(None),
        )

    def encode(self, reply: Reply, callback: Callback) -> Answer:
        fields = callback.fields
        response = _RESPONSE.format(
            echoed="".join(f"<{name}>{escape(fields[name])}</{name}>" for name in ECHOED if name in fields),
            text=escape(reply.text.replace("\f", " ")),  # GSM-7 has a form feed, XML has none
            flag=GOES_ON if reply.expects_input else CLOSES,
            time=escape(fields.get("timeStamp", "")),
        )
        return Answer(response.encode(), XML)

    def acknowledge(self, callback: Callback) -> Answer:  # noqa: ARG002
        return Answer(b"")
