"""Bringing a friend: 500 francs for both after the friend's first meal, ten times a month (D12)."""

import asyncio
from uuid import UUID

import pytest
from sqlalchemy import select, update

from core.errors import GatewayError
from ledger import chart
from marketplace.people import service as people
from marketplace.referrals import service as referrals
from marketplace.referrals.codes import code_of, serial_of
from marketplace.referrals.errors import (
    AlreadyReferred,
    MutualReferral,
    OwnReferralCode,
    ReferralTooLate,
    ReferrerFull,
    UnknownReferralCode,
)
from marketplace.referrals.service import Referral, Standing
from marketplace.referrals.tables import referral
from tests.support.town import CUSTOMER, FRIEND, Town

pytestmark = pytest.mark.anyio


async def standing(town: Town, phone: str = FRIEND) -> Standing:
    person_id = await town.person(phone)
    async with town.database.reading() as tx:
        return await referrals.standing(tx, person_id=person_id)


async def enter(town: Town, code: int, phone: str = CUSTOMER) -> Referral:
    person_id = await town.person(phone)
    async with town.database.transaction() as tx:
        return await referrals.enter(tx, person_id=person_id, code=code)


async def wallets(town: Town) -> tuple[int, ...]:
    """The new customer's, and the friend's who told them."""
    return tuple([await town.balance(chart.wallet(await town.person(phone))) for phone in (CUSTOMER, FRIEND)])


async def ten_more(town: Town) -> list[UUID]:
    """Others who name the same friend."""
    code, phones = (await standing(town)).code, [f"+2376990000{number:02d}" for number in range(10)]
    for phone in phones:
        await enter(town, code, phone)
    return [await town.person(phone) for phone in phones]


# ---- codes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("serial", [100, 101, 999, 4821, 123_456])
def test_a_wrong_digit_or_two_changed_over_is_nobodys_code(serial: int) -> None:
    code = str(code_of(serial))
    assert serial_of(int(code)) == serial
    for place, digit in enumerate(code):
        for other in set("0123456789") - {digit}:
            assert serial_of(int(code[:place] + other + code[place + 1 :])) is None
    for place in range(len(code) - 1):
        one, two = code[place], code[place + 1]
        if one != two and {one, two} != {"0", "9"}:  # what Luhn lets pass
            assert serial_of(int(code[:place] + two + one + code[place + 2 :])) is None


@pytest.mark.parametrize("code", [0, 7, -18])
def test_a_short_number_is_no_code(code: int) -> None:
    assert serial_of(code) is None


async def test_everybody_has_one_code_for_good(town: Town) -> None:
    first, again = await asyncio.gather(standing(town), standing(town))
    assert first == again == await standing(town)
    assert (await standing(town, CUSTOMER)).code != first.code


# ---- entering --------------------------------------------------------------------------------------------


async def test_both_are_credited_and_told_after_the_first_meal_and_never_again(town: Town) -> None:
    code = (await standing(town)).code
    assert (await enter(town, code)).state == "pending"
    await town.picked_up()
    assert await wallets(town) == (0, 0), "nothing before the meal is there"
    await town.wait(minutes=30)
    await town.wait(hours=24)
    assert await wallets(town) == (500, 500)
    assert sum("500F offerts" in text for text in await town.texts(CUSTOMER)) == 1
    assert sum("500F offerts" in text for text in await town.texts(FRIEND)) == 1
    await town.handed_over()
    assert await wallets(town) == (500, 500)
    assert await standing(town) == Standing(code, 500, 0, 1)
    assert await town.balance(chart.PROMOTIONS) == 1000
    await town.check()


async def test_the_same_code_again_changes_nothing_and_another_is_refused(town: Town) -> None:
    code = (await standing(town)).code
    first = await enter(town, code)
    assert await enter(town, code) == first
    other = (await standing(town, "+237677000009")).code
    with pytest.raises(AlreadyReferred):
        await enter(town, other)


async def test_two_codes_at_once_leave_one_referrer(town: Town) -> None:
    codes = [(await standing(town, phone)).code for phone in (FRIEND, "+237677000009")]
    answers = await asyncio.gather(*(enter(town, code) for code in codes), return_exceptions=True)
    assert sorted(type(answer) for answer in answers if isinstance(answer, GatewayError)) == [AlreadyReferred]


async def test_nobody_brings_themselves_or_who_brought_them(town: Town) -> None:
    code = (await standing(town, CUSTOMER)).code
    with pytest.raises(OwnReferralCode):
        await enter(town, code)
    await enter(town, code, FRIEND)
    with pytest.raises(MutualReferral):
        await enter(town, (await standing(town)).code)


async def test_two_who_name_each_other_at_once_do_not_both_succeed(town: Town) -> None:
    mine, theirs = (await standing(town, CUSTOMER)).code, (await standing(town)).code
    answers = await asyncio.gather(enter(town, theirs), enter(town, mine, FRIEND), return_exceptions=True)
    assert sorted(type(answer).__name__ for answer in answers) == ["MutualReferral", "Referral"]


async def test_an_unknown_code_is_told(town: Town) -> None:
    for code in (0, 1, 1001, 99_999_999_999_999):
        with pytest.raises(UnknownReferralCode):
            await enter(town, code)


async def test_who_has_eaten_already_is_no_new_friend(town: Town) -> None:
    code = (await standing(town)).code
    await town.handed_over()
    with pytest.raises(ReferralTooLate):
        await enter(town, code)
    async with town.database.reading() as tx:
        person_id = (await people.recognise(tx, phone=CUSTOMER)).id
        assert not await referrals.may_enter(tx, person_id=person_id)


# ---- limits ----------------------------------------------------------------------------------------------


async def test_ten_friends_a_month_may_name_one_person(town: Town) -> None:
    await ten_more(town)
    code = (await standing(town)).code
    with pytest.raises(ReferrerFull):
        await enter(town, code)
    town.clock.advance(days=31)
    assert (await enter(town, code)).state == "pending"


async def test_beyond_ten_a_month_the_friend_is_credited_alone(town: Town) -> None:
    code = (await standing(town)).code
    await enter(town, code)
    town.clock.advance(days=20)  # from November into December
    ten = await ten_more(town)
    async with town.database.transaction() as tx:
        done = {"state": "completed", "referrer_xaf": 500, "settled_at": tx.now}
        await tx.run(update(referral).where(referral.c.referee_id.in_(ten)).values(done))
    await town.handed_over()
    assert await wallets(town) == (500, 0)
    async with town.database.reading() as tx:
        mine = select(referral).where(referral.c.referee_id == await town.person())
        row = await tx.one(mine)
    assert (row.state, row.referrer_xaf) == ("completed", 0)


async def test_a_referral_ends_when_the_friend_does_not_eat_in_time(town: Town) -> None:
    await enter(town, (await standing(town)).code)
    town.clock.advance(days=89)
    assert await referrals.sweep(town.database) == 0
    town.clock.advance(days=1)
    assert await referrals.sweep(town.database) == 1
    await town.handed_over()
    assert await wallets(town) == (0, 0)
