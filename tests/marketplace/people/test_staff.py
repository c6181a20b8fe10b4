"""Staff logins: password and one-time code together, each code once, idle sessions end."""

import pyotp
import pytest
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError

from core.clock import ManualClock
from core.database import Database
from core.settings import Settings
from marketplace.people import login
from marketplace.people.errors import SessionEnded, StaffLocked, WrongPassword
from marketplace.people.hashing import hash_password
from marketplace.people.staff import add_staff
from marketplace.people.tables import staff_user

pytestmark = pytest.mark.anyio

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
PASSWORD = "mot de passe à retenir"


@pytest.fixture(autouse=True)
async def finance(database: Database) -> None:
    """A finance user named `awa`."""
    async with database.transaction() as tx:
        await add_staff(tx, username="awa", role="finance", password=PASSWORD, totp_secret=SECRET)


async def log_in(database: Database, *, code: str, username: str = "awa", password: str = PASSWORD) -> login.Tokens:
    return await login.staff_login(database, username=username, password=password, totp=code)


def code_at(clock: ManualClock, *, seconds: int = 0) -> str:
    return pyotp.TOTP(SECRET).at(int(clock.now().timestamp()) + seconds)


async def test_password_and_code_open_a_session_with_the_role(database: Database, clock: ManualClock) -> None:
    tokens = await log_in(database, code=code_at(clock))
    assert tokens.person_id is None
    identity = login.read_access_token(database.keys, tokens.access_token, clock.now())
    assert (identity.role, identity.permissions) == ("finance", ("reports",))


@pytest.mark.parametrize(("seconds", "taken"), [(-60, False), (-30, True), (30, True), (60, False)])
async def test_a_phones_clock_may_be_half_a_minute_off(
    database: Database, clock: ManualClock, seconds: int, taken: bool
) -> None:
    code = code_at(clock, seconds=seconds)
    if taken:
        await log_in(database, code=code)
    else:
        with pytest.raises(WrongPassword):
            await log_in(database, code=code)


async def test_a_code_works_once(database: Database, clock: ManualClock) -> None:
    code = code_at(clock)
    await log_in(database, code=code)
    with pytest.raises(WrongPassword):
        await log_in(database, code=code)
    clock.advance(seconds=30)
    await log_in(database, code=code_at(clock))


async def test_what_was_wrong_is_not_told(database: Database, clock: ManualClock) -> None:
    for wrong in ({"username": "nobody"}, {"password": "other"}, {"code": "000000"}, {"code": ""}):
        with pytest.raises(WrongPassword) as refused:
            await log_in(database, **{"code": code_at(clock), **wrong})
        assert refused.value.params == {}


async def test_five_misses_lock_the_user_even_for_the_right_password(database: Database, clock: ManualClock) -> None:
    for _ in range(5):
        with pytest.raises(WrongPassword):
            await log_in(database, code=code_at(clock), password="other")
    with pytest.raises(StaffLocked) as refused:
        await log_in(database, code=code_at(clock))
    assert refused.value.params == {"minutes": 15}
    clock.advance(minutes=15)
    await log_in(database, code=code_at(clock))


async def test_an_idle_hour_ends_the_session_and_work_prolongs_it(database: Database, clock: ManualClock) -> None:
    token = (await log_in(database, code=code_at(clock))).refresh_token
    for _ in range(3):
        clock.advance(minutes=59)
        async with database.transaction() as tx:
            token = (await login.refresh(tx, refresh_token=token)).refresh_token
    clock.advance(minutes=60)
    with pytest.raises(SessionEnded):
        async with database.transaction() as tx:
            await login.refresh(tx, refresh_token=token)


async def test_who_has_left_neither_logs_in_nor_refreshes(database: Database, clock: ManualClock) -> None:
    token = (await log_in(database, code=code_at(clock))).refresh_token
    async with database.transaction() as tx:
        await tx.run(update(staff_user).values(active=False))
    clock.advance(seconds=30)
    with pytest.raises(WrongPassword):
        await log_in(database, code=code_at(clock))
    with pytest.raises(SessionEnded):
        async with database.transaction() as tx:
            await login.refresh(tx, refresh_token=token)


@pytest.mark.parametrize("role", ["finance", "admin"])
async def test_the_database_refuses_who_sees_money_without_a_second_factor(database: Database, role: str) -> None:
    with pytest.raises(IntegrityError, match="ck_staff_user_totp"):
        async with database.transaction() as tx:
            await add_staff(tx, username="x", role=role, password=PASSWORD, totp_secret=None)


async def test_support_logs_in_by_password_alone(database: Database, clock: ManualClock) -> None:
    async with database.transaction() as tx:
        await add_staff(tx, username="ines", role="support", password=PASSWORD, totp_secret=None)
    tokens = await log_in(database, username="ines", code="")
    assert login.read_access_token(database.keys, tokens.access_token, clock.now()).role == "support"


async def test_no_setting_makes_password_hashes_cheaper_than_the_minimum() -> None:
    cheap = Settings(environment="production", password_hash_kib=1024)
    assert "$argon2id$v=19$m=65536,t=3,p=4$" in await hash_password(cheap, PASSWORD)
