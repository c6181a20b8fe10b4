"""Logging in by phone or as staff, renewing tokens, logging out (D1)."""

from typing import Any
from uuid import UUID

from litestar import Request, Response, post
from litestar.datastructures import Cookie
from litestar.params import FromPath, RequestBody
from litestar.status_codes import HTTP_200_OK, HTTP_204_NO_CONTENT

from channels.api.access import ALWAYS
from channels.api.encoding import ApiResponse, problems
from channels.api.inputs import TheDatabase, TheLimits
from channels.api.views import ChallengeView, CodeProof, PhoneLogin, RefreshProof, StaffLogin, TokensView, shown
from channels.rendering import language_of
from core.phones import parse_phone
from core.settings import Settings
from marketplace.people import login
from marketplace.people.login import Tokens

COOKIE = "refresh_token"
COOKIE_PATH = "/api/v1"


@post("/login", status_code=HTTP_200_OK, responses=problems())
async def start_login(
    request: Request[Any, Any, Any], data: RequestBody[PhoneLogin], database: TheDatabase, limits: TheLimits
) -> ChallengeView:
    """Send a 6-digit code by SMS to the phone that wants to log in."""
    phone = parse_phone(data.phone)
    await limits.spend("auth", database.keys.blind_index(phone).hex())
    async with database.transaction() as tx:
        challenge = await login.start(tx, phone=phone, channel_language=language_of(request.scope))
    return shown(challenge, ChallengeView)


@post("/login/{challenge_id:uuid}/verify", status_code=HTTP_200_OK, responses=problems(401))
async def verify_login(
    challenge_id: FromPath[UUID], data: RequestBody[CodeProof], database: TheDatabase
) -> Response[TokensView]:
    """Tokens for the code that the phone received."""
    async with database.transaction() as tx:
        tokens = await login.finish(tx, challenge_id=challenge_id, code=data.code)
    return _hand_over(tokens, database.settings, by_cookie=data.cookie)


@post("/staff/login", opt=ALWAYS, status_code=HTTP_200_OK, responses=problems(401))
async def log_in_staff(data: RequestBody[StaffLogin], database: TheDatabase, limits: TheLimits) -> Response[TokensView]:
    """Tokens for finance and administrators: password and one-time code."""
    await limits.spend("auth", database.keys.fingerprint("staff", data.username.lower()))
    tokens = await login.staff_login(database, username=data.username, password=data.password, totp=data.totp or "")
    return _hand_over(tokens, database.settings, by_cookie=data.cookie)


@post("/token/refresh", opt=ALWAYS, status_code=HTTP_200_OK, responses=problems(401))
async def refresh_tokens(
    request: Request[Any, Any, Any], data: RequestBody[RefreshProof], database: TheDatabase
) -> Response[TokensView]:
    """New tokens for a refresh token, which is used up by it."""
    async with database.transaction() as tx:
        tokens = await login.refresh(tx, refresh_token=_shown_token(request, data))
    return _hand_over(tokens, database.settings, by_cookie=data.refresh_token is None)


@post(
    "/logout",
    status_code=HTTP_204_NO_CONTENT,
    response_cookies=[Cookie(COOKIE, value="", path=COOKIE_PATH, max_age=0)],
    responses=problems(),
)
async def log_out(request: Request[Any, Any, Any], data: RequestBody[RefreshProof], database: TheDatabase) -> None:
    """End this login: no refresh token of its family counts any more."""
    async with database.transaction() as tx:
        await login.logout(tx, refresh_token=_shown_token(request, data))


def _shown_token(request: Request[Any, Any, Any], data: RefreshProof) -> str:
    return data.refresh_token or request.cookies.get(COOKIE, "")


def _hand_over(tokens: Tokens, settings: Settings, *, by_cookie: bool) -> Response[TokensView]:
    """The refresh token goes into the body for an app, into a cookie that no script can read for a browser."""
    body = TokensView(
        access_token=tokens.access_token,
        expires_in_seconds=tokens.expires_in_seconds,
        refresh_token=None if by_cookie else tokens.refresh_token,
    )
    return ApiResponse(body, cookies=[_cookie(tokens, settings)] if by_cookie else [])


def _cookie(tokens: Tokens, settings: Settings) -> Cookie:
    return Cookie(
        key=COOKIE,
        value=tokens.refresh_token,
        path=COOKIE_PATH,
        max_age=settings.refresh_token_days * 24 * 3600,
        httponly=True,
        samesite="strict",
        secure=settings.base_url.startswith("https:"),
    )
