"""Reads at the pace that a provider allows, and nobody else slowed down by it."""

import asyncio

import msgspec
import pytest

from payments.pace import Pace
from payments.providers.campay import Campay
from payments.providers.protocol import Capabilities
from tests.payments.house import House
from tests.payments.network import FakeCampay
from tests.payments.pawapay_network import FakePawapay

pytestmark = pytest.mark.anyio


async def test_no_limit_lets_everything_through() -> None:
    pace = Pace(None)
    assert pace.room(1.0) is None
    await asyncio.gather(*(pace.turn() for _ in range(1000)))
    assert pace.room(1.0) is None


async def test_a_limit_leaves_room_for_as_many_as_fit() -> None:
    pace = Pace(0.1)  # one in ten seconds: no machine is slow enough to let another through
    assert pace.room(25.0) == 2
    await pace.turn()
    assert pace.room(5.0) == 0


class Slow(Campay):
    """A CamPay that allows five reads a second."""

    @property
    def capabilities(self) -> Capabilities:
        return msgspec.structs.replace(super().capabilities, reads_per_second=5.0)


async def test_a_slow_provider_is_read_little_by_little_and_holds_nobody_up(
    two_providers: House, campay: FakeCampay, pawapay: FakePawapay
) -> None:
    house = two_providers
    for number in range(12):
        await house.collect(key=f"order:{number}", amount_xaf=1000 + number)
    await house.sweep()
    house.engine = house.another_engine(Slow)
    await house.sweep(seconds=6)
    assert campay.count("/transaction/") == 5
    await house.collect(key="new")
    await house.sweep()
    assert campay.count("/collect/") == 13  # sending is not reading
    assert 5 < campay.count("/transaction/") <= 10
