"""One struct, two formats; catalogue answers that need not be sent twice."""

import msgspec
import pytest

from channels.api.views import OrderView
from tests.channels.api.conftest import Client

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("media_type", ["application/x-msgpack", "application/vnd.msgpack"])
async def test_messagepack_in_and_out_says_what_json_says(customer: Client, media_type: str) -> None:
    quote = await customer.quote()
    wish = {name: quote[name] for name in ("cart_id", "cart_version", "total_xaf")}
    headers = {"Content-Type": media_type, "Accept": media_type, "Idempotency-Key": "key-of-this-order"}
    packed = await customer.post("/api/v1/orders", content=msgspec.msgpack.encode(wish), headers=headers)
    assert (packed.status_code, packed.headers["content-type"]) == (201, media_type)
    order = msgspec.msgpack.decode(packed.content, type=OrderView)
    plain = await customer.get(f"/api/v1/orders/{order.id}")
    assert msgspec.json.decode(plain.content, type=OrderView) == order


@pytest.mark.parametrize(
    ("accept", "answered"),
    [
        ("*/*", "application/json"),
        ("text/html", "application/json"),
        ("application/x-msgpack;q=0.5, application/json", "application/json"),
        ("application/json;q=0.5, application/x-msgpack", "application/x-msgpack"),
    ],
)
async def test_the_format_is_what_the_client_likes_best(anyone: Client, accept: str, answered: str) -> None:
    answer = await anyone.get("/api/v1/restaurants", headers={"Accept": accept})
    assert answer.headers["content-type"] == answered
    assert answer.headers["vary"].startswith("Accept")


async def test_a_fraction_is_refused_in_messagepack_too(customer: Client) -> None:
    headers = {"Content-Type": "application/x-msgpack", "Idempotency-Key": "key-of-this-top-up"}
    for amount in (2000.5, 2000.0):
        body = msgspec.msgpack.encode({"amount_xaf": amount})
        refused = await customer.post("/api/v1/wallet/top-ups", content=body, headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid_amount")


@pytest.mark.parametrize(
    ("content_type", "body", "status", "code"),
    [
        ("application/json", b"{", 422, "invalid_input"),
        ("application/json", b"", 422, "invalid_input"),
        ("application/json", b'{"phone": "\xff"}', 422, "invalid_input"),
        ("application/json", b'{"phone": "+33612345678"}', 422, "invalid_phone"),
        ("application/x-msgpack", b"\xc1", 422, "invalid_input"),
        ("application/x-www-form-urlencoded", b"phone=670000001", 415, "unsupported_format"),
        ("application/json", b" " * 33_000, 413, "too_large"),
    ],
)
async def test_a_body_that_cannot_be_read_is_refused(
    anyone: Client, content_type: str, body: bytes, status: int, code: str
) -> None:
    refused = await anyone.post("/api/v1/login", content=body, headers={"Content-Type": content_type})
    assert (refused.status_code, refused.json()["code"]) == (status, code)


async def test_an_unchanged_catalogue_is_not_sent_again(anyone: Client) -> None:
    first = await anyone.get("/api/v1/restaurants")
    again = await anyone.get("/api/v1/restaurants", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = await anyone.get("/api/v1/restaurants?page=2", headers={"If-None-Match": first.headers["etag"]})
    assert other.status_code == 200


async def test_a_long_answer_is_compressed(anyone: Client) -> None:
    headers = {"Accept-Encoding": "gzip"}
    answer = await anyone.get("/api/v1/places/quarters", params={"size": 100}, headers=headers)
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.num_bytes_downloaded < len(answer.content) / 3


async def test_only_the_catalogue_may_be_kept(anyone: Client, customer: Client) -> None:
    answers = [await anyone.get("/api/v1/restaurants"), await customer.get("/api/v1/wallet")]
    assert [answer.headers["cache-control"] for answer in answers] == ["no-cache", "no-store"]


async def test_the_catalogue_comes_in_pages(anyone: Client) -> None:
    everything = (await anyone.get("/api/v1/places/quarters", params={"size": 100})).json()
    assert everything["next"] is None
    paged, page = [], 1
    while page:
        answer = (await anyone.get("/api/v1/places/quarters", params={"page": page})).json()
        paged, page = paged + answer["items"], answer["next"]
    assert paged == everything["items"]
    assert len(paged) > 20


async def test_places_are_found_by_name_and_by_nearness(anyone: Client) -> None:
    found = (await anyone.get("/api/v1/places/quarters", params={"search": "BÉP"})).json()["items"]
    assert [quarter["name"] for quarter in found] == ["Bépanda"]
    near = (await anyone.get("/api/v1/places/quarters", params={"restaurant": 45})).json()["items"]
    at_home = (await anyone.get("/api/v1/restaurants", params={"near": near[0]["id"]})).json()["items"]
    assert 45 in [restaurant["number"] for restaurant in at_home[:3]]
    landmarks = (await anyone.get(f"/api/v1/places/quarters/{near[0]['id']}/landmarks")).json()["items"]
    assert landmarks
    assert (await anyone.get("/api/v1/places/quarters/999999/landmarks")).status_code == 404
