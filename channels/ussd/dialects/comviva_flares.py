"""Comviva Flares, Airtel's gateway: a query in, a text out, and a header that says whether it goes on."""

from channels.ussd.dialect import Answer, Callback, Capabilities, Service
from channels.ussd.reading import after_code, phone, required, session_id
from menus_ussd.turns import Ended, Reply, Turn

GOES_ON, CLOSES = "FC", "FB"


class ComvivaFlares:
    """The first input is the code; a call with `clean` tidies up after a session that broke.

    `userid` and `password` are the gateway's, and prove no more than the secret path does.
    """

    name = "comviva_flares"
    can = Capabilities(method="GET", sends="query", closes_by="header", tells_end=True)

    def decode(self, callback: Callback, service: Service) -> Turn | Ended:
        fields = callback.fields
        if "clean" in fields:
            return self._ended(callback)
        typed = required(fields, "input")
        dialled = after_code(typed, service.code)
        return Turn(
            dialect=self.name,
            session_id=session_id(fields, "SessionID"),
            phone=phone(fields.get("MSISDN", ""), "MSISDN"),
            kind="input" if dialled is None else "opening",
            typed=typed,
            dialled=dialled or "",
            network="airtel",
            service_code=service.code,
            page_septets=service.septets("airtel"),
        )

    def _ended(self, callback: Callback) -> Ended:
        """Names the phone, and not always the session."""
        fields = callback.fields
        if "SessionID" in fields:
            return Ended(dialect=self.name, session_id=session_id(fields, "SessionID"))
        return Ended(dialect=self.name, session_id=None, phone=phone(fields.get("msisdn", ""), "msisdn"))

    def encode(self, reply: Reply, callback: Callback) -> Answer:  # noqa: ARG002
        return Answer(reply.text.encode(), header=("Freeflow", GOES_ON if reply.expects_input else CLOSES))

    def acknowledge(self, callback: Callback) -> Answer:  # noqa: ARG002
        return Answer(b"", header=("Freeflow", CLOSES))
