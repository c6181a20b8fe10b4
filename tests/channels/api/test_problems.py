"""Every refusal is a problem document in the caller's language, and none of them tells too much."""

import importlib
import json
import pkgutil
from collections.abc import Iterator

import asyncpg
import httpx
import pytest
from litestar import Litestar, post
from litestar.params import FromPath, RequestBody
from sqlalchemy.exc import DBAPIError

import channels
import ledger
import marketplace
import payments
from channels.rendering import accepted_language, answer_problem, as_gateway_error
from core.database import Database
from core.errors import GatewayError
from core.logs import configure_logging
from core.texts import LANGUAGES, catalogue
from marketplace.people import service as people
from tests.channels.api.conftest import CUSTOMER, Client

pytestmark = pytest.mark.anyio


def every_error(above: type[GatewayError] = GatewayError) -> Iterator[type[GatewayError]]:
    for error in above.__subclasses__():
        yield error
        yield from every_error(error)


def test_every_error_has_a_text_in_every_language() -> None:
    for room in (channels, ledger, marketplace, payments):
        for module in pkgutil.walk_packages(room.__path__, f"{room.__name__}."):
            importlib.import_module(module.name)
    ours = [error for error in every_error() if not error.__module__.startswith("tests.")]
    missing = {
        (error, language) for error in ours for language in LANGUAGES if error.text_key not in catalogue(language)
    }
    assert not missing


@pytest.mark.parametrize("trouble", [asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError])
@pytest.mark.parametrize("wrapped", [False, True])
def test_who_waited_for_a_lock_in_vain_may_try_again(trouble: type[asyncpg.PostgresError], wrapped: bool) -> None:
    problem = trouble("a lock")
    error = as_gateway_error(
        DBAPIError.instance("UPDATE", None, problem, asyncpg.PostgresError) if wrapped else problem
    )
    assert (error.code, error.retryable) == ("unavailable", True)


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("fr", "fr"),
        ("en-GB,en;q=0.9", "en"),
        ("fr;q=0.5, en", "en"),
        ("de, fr;q=0.2, en;q=0.1", "fr"),
        ("EN_us, de", None),
        ("de", None),
        ("en;q=0", None),
        ("en;q=nonsense, fr;q=0.1", "fr"),
        ("", None),
        ("*", None),
    ],
)
def test_accept_language_is_understood(header: str, language: str | None) -> None:
    assert accepted_language({"headers": [(b"accept-language", header.encode())]}) == language  # type: ignore[arg-type]


async def test_a_problem_says_the_same_in_both_languages(anyone: Client) -> None:
    french, english = [
        (await anyone.get("/api/v1/wallet", headers={"Accept-Language": language})) for language in ("fr", "en")
    ]
    assert french.headers["content-type"] == "application/problem+json"
    assert french.json() == {
        "type": "urn:mboa:problem:unauthenticated",
        "title": "Unauthenticated",
        "status": 401,
        "code": "unauthenticated",
        "detail": "Connexion requise.",
        "retryable": False,
    }
    assert english.json() == {**french.json(), "detail": "Please log in."}


async def test_a_customer_is_told_in_their_own_language(customer: Client, database: Database) -> None:
    async with database.transaction() as tx:
        person = await people.recognise(tx, phone=CUSTOMER)
        await people.choose_language(tx, person_id=person.id, language="en")
    path = "/api/v1/reports/trial-balance"
    assert (await customer.get(path)).json()["detail"] == "Not allowed."
    assert (await customer.get(path, headers={"Accept-Language": "fr"})).json()["detail"] == "Action non permise."


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "not_found"),
        ("DELETE", "/api/v1/restaurants", 405, "method_not_allowed"),
        ("GET", "/api/v1/restaurants?page=0", 422, "invalid_input"),
        ("GET", "/api/v1/restaurants?page=two", 422, "invalid_input"),
        ("GET", "/api/v1/restaurants/7/dishes", 404, "not_found"),
    ],
)
async def test_what_the_framework_refuses_is_a_problem_too(
    anyone: Client, method: str, path: str, status: int, code: str
) -> None:
    refused = await anyone.request(method, path)
    assert (refused.status_code, refused.json()["code"]) == (status, code)


async def test_a_mistake_of_ours_is_logged_masked_and_tells_the_client_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    @post("/pay/{secret:str}")
    async def pay(secret: FromPath[str], data: RequestBody[dict[str, str]]) -> None:
        raise RuntimeError("the phone +237670000001 is not at home")

    configure_logging(service="test")
    app = Litestar([pay], exception_handlers={Exception: answer_problem}, logging_config=None)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway.test") as client:
        answer = await client.post("/pay/hidden-path", json={"pin": "7391"})
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "home" not in answer.text

    logged = capsys.readouterr().err
    line = json.loads(logged.splitlines()[0])
    assert (line["event"], line["route"]) == ("request_failed", "/pay/{secret}")
    assert "not at home" in line["exception"]
    assert not any(secret in logged for secret in ("670000001", "7391", "hidden-path"))


async def test_a_database_that_is_away_is_worth_another_try() -> None:
    @post("/try")
    async def attempt() -> None:
        raise ConnectionRefusedError()

    app = Litestar([attempt], exception_handlers={Exception: answer_problem}, logging_config=None)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway.test") as client:
        answer = await client.post("/try")
    assert (answer.status_code, answer.json()["retryable"]) == (503, True)
