"""Every byte that a handset or a hostile aggregator can send ends in a page that says what to do, with status 200."""

import random
from collections.abc import Iterator
from urllib.parse import quote

import httpx
import pytest

from channels.ussd.dialect import Dialect
from channels.ussd.dialects import DIALECTS
from core.gsm import septets
from menus_ussd.session import Session
from menus_ussd.stores.memory import MemorySessionStore
from tests.channels.ussd.aggregator import CODE, PHONE, Aggregator, Request

pytestmark = pytest.mark.anyio

ALL = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)

TYPED = {
    "nothing": "",
    "letters": "abc",
    "a number and letters": "1abc",
    "stars": "***",
    "a star": "1*1",
    "a hash": "#",
    "control characters": "\x07\x1b\x7f",
    "a sealed code": "\x02delivery_code:d.1\x03",
    "emoji": "😀👨‍👩‍👧",
    "right to left": "\u202e1",
    "markup": "</value><a href='x'>\"&amp;{}\\",
    "161 characters": "z" * 161,
    "an Arabic one": "١",
    "a full-width one": "１",
}
NO_XML = {"control characters", "a sealed code"}  # which XML cannot hold at all
TOO_LONG = "x" * 10_000

BODIES = {
    "nothing": b"",
    "no text": b"\xff\xfe\x00\x80",
    "an open brace": b"{",
    "a list": b'["sessionId"]',
    "a number": b"7",
    "null": b"null",
    "nested deep": b"[" * 4_000,
    "nested objects": b'{"a":' * 600 + b"1" + b"}" * 600,
    "half a surrogate": b'{"sessionId":"\\ud800","msisdn":"\\udfff"}',
    "wrong types": b'{"sessionId":[1],"msisdn":{"a":1},"messageType":0,"Type":1,"MSGTYPE":"yes","newSession":null}',
    "a huge number": b'{"sessionId":' + b"9" * 3_000 + b"}",
    "half a form": b"sessionId=%zz&text=%",
    "many fields": b"&".join(b"a%d=1" % n for n in range(400)),
    "an unknown root": b"<a/>",
    "an open element": b"<USSDDynMenuRequest><msisdn>",
    "a lost encoding": b'<?xml version="1.0" encoding="klingon"?><a/>',
    "ten kilobytes": TOO_LONG.encode(),
    "external entity": b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a><userData>&b;</userData></a>',
    "a billion laughs": b'<!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;&b;&b;">]><a><userData>&c;</userData></a>',
    "an external type": b'<!DOCTYPE a SYSTEM "http://127.0.0.1:1/a.dtd"><a><userData>1</userData></a>',
    "an undefined entity": b"<a><userData>&b;</userData></a>",
}


@ALL
async def test_whatever_is_typed_the_session_lives(aggregator: Aggregator, dialect: Dialect) -> None:
    phone = aggregator.handset()
    await phone.dial()
    for name, typed in TYPED.items():
        if dialect.can.sends == "xml" and name in NO_XML:
            continue
        assert (await phone.say("00", "1")).text.startswith("Restaurant?"), name
        shown = await phone.say(typed)
        assert shown.goes_on and septets(shown.text) <= 160 and "\x02" not in shown.text, name
        assert shown.text.startswith(("Choix inconnu.", "Réponse non comprise.", "Votre code PIN?")), name


@ALL
async def test_ten_kilobytes_are_too_long_and_the_session_lives(aggregator: Aggregator, dialect: Dialect) -> None:
    phone = aggregator.handset()
    await phone.dial()
    wire = await aggregator.web.send(
        aggregator.request(Request("say", phone.values(typed=TOO_LONG, transcript=TOO_LONG)))
    )
    assert wire.status_code == 200 and f"Message trop long. Recomposez {CODE}." in wire.text
    assert (await phone.say("1")).text.startswith("Restaurant?")


@ALL
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_body_that_cannot_be_read(aggregator: Aggregator, dialect: Dialect, method: str) -> None:
    in_query = dialect.can.sends == "query"
    for name, body in BODIES.items():
        url = f"{aggregator.path}?{quote(body)}" if in_query else aggregator.path
        wire = await aggregator.web.request(method, url, content=None if in_query else body)
        assert (wire.status_code, CODE in wire.text, "root:" in wire.text) == (200, True, False), name


@ALL
async def test_any_byte_may_be_wrong(aggregator: Aggregator, dialect: Dialect) -> None:
    phone = aggregator.handset()
    await phone.dial()
    await phone.say("1")
    for mutant in mutants(aggregator.request(phone.last), random.Random(dialect.name)):
        wire = await aggregator.web.send(mutant)
        assert wire.status_code == 200


def mutants(request: httpx.Request, chance: random.Random) -> Iterator[httpx.Request]:
    """The request with bytes flipped, cut out or put in, where the payload stands."""
    target = request.url.raw_path
    path, mark, query = target.partition(b"?")
    for _ in range(150):
        changed = bytearray(request.content or query)
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(changed) + 1)
            changed[at : at + chance.randint(0, 2)] = chance.randbytes(chance.randint(0, 2))
        content = bytes(changed) if request.content else b""
        raw_path = target if request.content else path + mark + quote(bytes(changed), safe="&=%").encode()
        url = request.url.copy_with(raw_path=raw_path)
        headers = [(k, v) for k, v in request.headers.raw if k.lower() != b"content-length"]
        yield httpx.Request(request.method, url, content=content, headers=headers)


@ALL
async def test_an_unknown_network_is_like_any_other(aggregator: Aggregator, dialect: Dialect) -> None:
    phone = aggregator.handset()
    known = aggregator.request(Request("dial", phone.values(session="a session", rest="", dialled=CODE)))
    replaced = known.content.replace(b"62401", b"no such network").replace(b'"MTN"', b'"\xe2\x80\xae"')
    replaced = replaced.replace(b'"mtn"', b'""').replace(b'"mtn-cm"', b"null")
    headers = [(k, v) for k, v in known.headers.raw if k.lower() != b"content-length"]
    wire = await aggregator.web.send(httpx.Request(known.method, known.url, content=replaced, headers=headers))
    assert wire.status_code == 200 and "Mboa" in wire.text


@ALL
async def test_what_is_known_of_the_caller_decides_the_language(
    aggregator: Aggregator, store: MemorySessionStore, dialect: Dialect
) -> None:
    phone = aggregator.handset()
    await phone.dial()
    index = (await newest(store, aggregator)).phone_index
    session = store.newest(index)
    assert session is not None
    session.language = "en"
    session.ended = True
    store.write(session)
    shown = await phone.say("1")
    assert (shown.goes_on, shown.text) == (False, f"Session lost. Dial {CODE} again to continue.")


async def newest(store: MemorySessionStore, aggregator: Aggregator) -> Session:
    sessions = [store.read(key) for key in store._sessions if key.startswith(aggregator.dialect.name)]
    assert sessions and sessions[-1] is not None and PHONE
    return sessions[-1]
