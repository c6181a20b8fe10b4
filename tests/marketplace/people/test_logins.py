"""Logins by phone: one code, few tries, refresh tokens that a lost answer forgives and a copy does not."""

from datetime import timedelta
from uuid import UUID, uuid4

import jwt
import pytest
from sqlalchemy import select

from core import sealed
from core.clock import ManualClock
from core.crypto import Keyring
from core.database import Database
from core.errors import Unauthenticated
from marketplace.notifications.tables import outgoing_sms
from marketplace.people import login
from marketplace.people import service as people
from marketplace.people.errors import CodeExpired, SessionEnded, WrongCode

pytestmark = pytest.mark.anyio

PHONE = "+237670000001"


async def start(database: Database) -> tuple[UUID, str]:
    """A challenge and the code that went to the phone."""
    async with database.transaction() as tx:
        challenge = await login.start(tx, phone=PHONE)
    return challenge.id, sealed.code(database.keys, "login_code", challenge.id)


async def finish(database: Database, challenge_id: UUID, code: str) -> login.Tokens:
    async with database.transaction() as tx:
        return await login.finish(tx, challenge_id=challenge_id, code=code)


async def refresh(database: Database, token: str) -> login.Tokens:
    async with database.transaction() as tx:
        return await login.refresh(tx, refresh_token=token)


@pytest.fixture
async def tokens(database: Database) -> login.Tokens:
    """A customer who has just logged in."""
    return await finish(database, *await start(database))


async def test_the_code_rests_sealed_and_goes_out_in_the_persons_language(database: Database) -> None:
    async with database.transaction() as tx:
        person = await people.recognise(tx, phone=PHONE)
        await people.choose_language(tx, person_id=person.id, language="en")
        challenge = await login.start(tx, phone=PHONE, channel_language="fr")
        message = await tx.one(select(outgoing_sms))
    assert challenge.expires_in_seconds == 300
    assert (message.text_key, message.language) == ("sms.login_code", "en")
    assert sealed.code(database.keys, "login_code", challenge.id) not in str(message.params)


async def test_a_stranger_is_asked_in_the_channels_language(database: Database) -> None:
    async with database.transaction() as tx:
        await login.start(tx, phone=PHONE, channel_language="en")
        assert (await tx.one(select(outgoing_sms.c.language))).language == "en"


async def test_the_right_code_makes_a_customer(database: Database, clock: ManualClock) -> None:
    challenge_id, code = await start(database)
    tokens = await finish(database, challenge_id, f" {code} ")
    identity = login.read_access_token(database.keys, tokens.access_token, clock.now())
    assert identity == login.Identity(tokens.person_id, "customer", ("order", "wallet"))
    async with database.reading() as tx:
        assert (await people.get(tx, person_id=tokens.person_id)).phone == PHONE


async def test_five_wrong_codes_count_although_they_fail_and_then_the_right_one_is_too_late(
    database: Database,
) -> None:
    challenge_id, code = await start(database)
    wrong = f"{(int(code) + 1) % 1_000_000:06d}"
    for left in (4, 3, 2, 1, 0):
        with pytest.raises(WrongCode) as refused:
            await finish(database, challenge_id, wrong)
        assert refused.value.params == {"left": left}
    with pytest.raises(CodeExpired):
        await finish(database, challenge_id, code)


async def test_a_code_works_once_for_its_own_challenge_and_for_five_minutes(
    database: Database, clock: ManualClock
) -> None:
    challenge_id, code = await start(database)
    other_id, _ = await start(database)
    with pytest.raises(WrongCode):
        await finish(database, other_id, code)
    await finish(database, challenge_id, code)
    late_id, late_code = await start(database)
    clock.advance(seconds=300)
    for gone in ((challenge_id, code), (late_id, late_code), (uuid4(), code)):
        with pytest.raises(CodeExpired):
            await finish(database, *gone)


async def test_an_access_token_ends_after_fifteen_minutes(
    database: Database, clock: ManualClock, tokens: login.Tokens
) -> None:
    clock.advance(seconds=tokens.expires_in_seconds - 1)
    login.read_access_token(database.keys, tokens.access_token, clock.now())
    clock.advance(seconds=1)
    with pytest.raises(Unauthenticated):
        login.read_access_token(database.keys, tokens.access_token, clock.now())


async def test_a_token_that_we_did_not_sign_is_nobodys(database: Database, clock: ManualClock) -> None:
    claims = {"sub": str(uuid4()), "role": "admin", "permissions": ["reports"], "exp": 2**40}
    stranger = Keyring(b"another installation's master key!!")
    forged = (
        jwt.encode(claims, stranger.token_key, algorithm="HS256"),
        jwt.encode(claims, None, algorithm="none"),
        jwt.encode({"sub": "x"}, database.keys.token_key, algorithm="HS256"),
        "",
        "a.b.c",
    )
    for token in forged:
        with pytest.raises(Unauthenticated):
            login.read_access_token(database.keys, token, clock.now())


async def test_each_refresh_uses_its_token_up(database: Database, tokens: login.Tokens) -> None:
    second = await refresh(database, tokens.refresh_token)
    third = await refresh(database, second.refresh_token)
    assert len({tokens.refresh_token, second.refresh_token, third.refresh_token}) == 3
    assert third.person_id == tokens.person_id


async def test_a_lost_answer_within_a_minute_is_forgiven(
    database: Database, clock: ManualClock, tokens: login.Tokens
) -> None:
    lost = await refresh(database, tokens.refresh_token)
    clock.advance(seconds=60)
    again = await refresh(database, tokens.refresh_token)
    await refresh(database, again.refresh_token)
    with pytest.raises(SessionEnded):
        await refresh(database, lost.refresh_token)


async def test_after_a_minute_a_second_use_ends_the_family(
    database: Database, clock: ManualClock, tokens: login.Tokens
) -> None:
    second = await refresh(database, tokens.refresh_token)
    clock.advance(seconds=61)
    for ended in (tokens, second):
        with pytest.raises(SessionEnded):
            await refresh(database, ended.refresh_token)


async def test_a_second_use_after_its_successors_use_ends_the_family(database: Database, tokens: login.Tokens) -> None:
    second = await refresh(database, tokens.refresh_token)
    third = await refresh(database, second.refresh_token)
    for ended in (tokens, third):
        with pytest.raises(SessionEnded):
            await refresh(database, ended.refresh_token)


async def test_the_answer_believed_lost_and_its_replacement_do_not_both_live(
    database: Database, tokens: login.Tokens
) -> None:
    lost = await refresh(database, tokens.refresh_token)
    again = await refresh(database, tokens.refresh_token)
    for ended in (lost, again):
        with pytest.raises(SessionEnded):
            await refresh(database, ended.refresh_token)


async def test_one_family_ends_and_the_same_persons_other_one_lives(database: Database, tokens: login.Tokens) -> None:
    other = await finish(database, *await start(database))
    async with database.transaction() as tx:
        await login.logout(tx, refresh_token=tokens.refresh_token)
        await login.logout(tx, refresh_token="never issued")
    with pytest.raises(SessionEnded):
        await refresh(database, tokens.refresh_token)
    await refresh(database, other.refresh_token)


async def test_a_refresh_token_ends_after_a_week_unused(
    database: Database, clock: ManualClock, tokens: login.Tokens
) -> None:
    clock.advance(days=6, hours=23)
    second = await refresh(database, tokens.refresh_token)
    clock.instant += timedelta(days=7)
    with pytest.raises(SessionEnded):
        await refresh(database, second.refresh_token)
    with pytest.raises(SessionEnded):
        await refresh(database, "never issued")
