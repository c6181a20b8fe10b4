"""Orange's #303# My Store: it browses us with GET, and shows our xHTML; a link is a line to pick, a form an input."""

from html import escape

from channels.ussd.dialect import Answer, Callback, Capabilities, Service
from channels.ussd.reading import number, phone
from menus_ussd.pages import lines
from menus_ussd.turns import Form, Reply, Turn

XHTML = "text/html; charset=utf-8"
PHONE_HEADER = b"user-msisdn"  # `tel:+237…` or `+237…`; the interface contract that Orange signs has the last word
NOT_KEPT = ("Cache-Control", "no-store")  # whatever browses for a phone must ask each time
FIRST = 1

_DOCUMENT = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<html xmlns="http://www.w3.org/1999/xhtml"><head><title></title></head><body>{body}</body></html>'
)
_LINK = '<a href="?n={turn}&amp;input={key}" accesskey="{key}">{label}</a><br/>'
_FORM = (
    '<form action="?" method="get"><input type="hidden" name="n" value="{turn}"/>'
    '<input type="{kind}" name="input"/></form>'
)


class OrangeXhtml:
    """A phone has one session. Each link carries the number of the turn it makes, so a repeat is known."""

    name = "orange_xhtml"
    # The gateway numbers links itself, with a sign of its own between number and label.
    can = Capabilities(
        method="GET", sends="query", closes_by="absence", names_sessions=False, counts_turns=True, page=140
    )

    def decode(self, callback: Callback, service: Service) -> Turn:
        fields = callback.fields
        turn = number(fields, "n")
        return Turn(
            dialect=self.name,
            session_id=None,
            phone=phone(callback.header(PHONE_HEADER).removeprefix("tel:"), "User-MSISDN"),
            kind="begin" if turn is None else "input",
            typed="" if turn is None else fields.get("input", ""),
            sequence=FIRST if turn is None else turn,
            network="orange",
            service_code=service.code,
            page_septets=service.septets("orange"),
            draws_forms=True,
        )

    def encode(self, reply: Reply, callback: Callback) -> Answer:
        following = (number(callback.fields, "n") or FIRST) + 1
        if reply.form and reply.form.keys:
            body = _links(reply.text, reply.form.keys, following)
        else:
            body = _text(reply.text) + (_input(reply.form, following) if reply.form else "")
        return Answer(_DOCUMENT.format(body=body).encode(), XHTML, NOT_KEPT)

    def acknowledge(self, callback: Callback) -> Answer:  # noqa: ARG002
        return Answer(b"")


def _links(text: str, keys: list[str], following: int) -> str:
    """The page with a link for each line that can be picked."""
    return "".join(
        _text(line.text) if line.key is None else _LINK.format(turn=following, key=line.key, label=_escaped(line.text))
        for line in lines(text, keys)
    )


def _input(form: Form, following: int) -> str:
    return _FORM.format(turn=following, kind="password" if form.secret else "text")


def _text(text: str) -> str:
    return "".join(f"{_escaped(line)}<br/>" for line in text.split("\n"))


def _escaped(text: str) -> str:
    return escape(text.replace("\f", " "))  # GSM-7 has a form feed, XML has none
