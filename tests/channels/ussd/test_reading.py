"""Our reader of forms reads what the standard library's does."""

from urllib.parse import parse_qsl, quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.ussd.reading import pairs
from channels.ussd.refusals import Refusal

FIELDS = st.dictionaries(st.text(min_size=1, max_size=8), st.text(max_size=30), max_size=6)
WRITERS = st.sampled_from((quote, quote_plus, lambda text: quote(text, safe="").lower()))


@given(FIELDS, WRITERS)
def test_what_is_written_is_read(fields: dict[str, str], write: object) -> None:
    assert callable(write)
    body = "&".join(f"{write(name)}={write(value)}" for name, value in fields.items()).encode()
    assert {name: value for name, value in pairs(body).items() if name} == {
        name: value for name, value in parse_qsl(body.decode(), keep_blank_values=True) if name
    }


@given(st.text(alphabet="ab=%+2Bé4f&", max_size=40))
def test_whatever_is_no_escape_stands_for_itself(body: str) -> None:
    read = pairs(body.encode())
    expected = dict(parse_qsl(body, keep_blank_values=True))
    assert {name: value for name, value in read.items() if name} == {n: v for n, v in expected.items() if n}


@pytest.mark.parametrize("body", [b"\xff=1", b"&" * 41])
def test_what_cannot_be_read_is_refused(body: bytes) -> None:
    with pytest.raises(Refusal):
        pairs(body)
