"""The proof behind a payment: the whole chain, found by any of its ids, with nothing in it that it should not tell."""

from uuid import UUID, uuid4

import msgspec
import pytest

from core.errors import NotFound
from core.texts import LANGUAGES
from payments import doorbell, evidence
from payments.evidence import Evidence, mask
from payments.evidence_text import render
from payments.providers.protocol import Callback
from tests.payments.house import House
from tests.payments.network import FakeCampay

pytestmark = pytest.mark.anyio


async def collect(house: House, named: UUID) -> list[Evidence]:
    async with house.database.reading() as tx:
        return await evidence.collect(tx, named=named)


async def paid(house: House, campay: FakeCampay) -> UUID:
    """A collection that a callback rang for, and whose success was read."""
    owed = await house.collect()
    await house.sweep()
    transaction = campay.decide("SUCCESSFUL")
    fields = campay.callback(transaction, key=house.database.settings.campay_webhook_key)
    said = "&".join(f"{name}={value}" for name, value in fields.items()) + "&phone_number=237670000001"
    async with house.database.transaction() as tx:
        await doorbell.ring(tx, provider="campay", callback=Callback(query=said))
    await house.sweep()
    return owed.id


async def test_a_collection_is_proved_from_request_to_legs(house: House, campay: FakeCampay) -> None:
    payment_id = await paid(house, campay)
    (one,) = await collect(house, payment_id)
    assert (one.kind, one.state, one.amount_xaf, one.phone) == ("collect", "PAID", 3800, "+23767***01")
    (tried,) = one.attempts
    assert (tried.state, tried.evidence, tried.received_xaf, tried.fee_xaf) == (
        "SUCCEEDED",
        "READ SUCCESSFUL",
        3800,
        95,
    )
    assert tried.provider_ref == campay.only()["reference"]
    ((event,), (journal,)) = tried.events, tried.journals
    assert event.verdict == "rung"
    assert {(leg.debit, leg.credit, leg.amount_xaf) for leg in journal.legs} == {
        ("float:campay:mtn", one.account, 3705),
        ("expense:provider_fees", one.account, 95),
    }


async def test_every_id_that_a_person_may_have_leads_to_it(house: House, campay: FakeCampay) -> None:
    payment_id = await paid(house, campay)
    found = await collect(house, payment_id)
    for named in (found[0].reference, found[0].attempts[0].id):
        assert await collect(house, named) == found
    with pytest.raises(NotFound):
        await collect(house, uuid4())


@pytest.mark.parametrize("language", LANGUAGES)
async def test_neither_form_tells_a_phone_or_a_signature(house: House, campay: FakeCampay, language: str) -> None:
    found = await collect(house, await paid(house, campay))
    for shown in (render(found, language), msgspec.json.encode(found).decode()):
        assert "670000001" not in shown
        assert "eyJ" not in shown
        assert "float:campay:mtn" in shown and "SUCCESSFUL" in shown


async def test_a_payout_shows_who_holds_the_account_and_both_its_journals(house: House, campay: FakeCampay) -> None:
    owed = await house.pay_out()
    await house.sweep()
    campay.decide("SUCCESSFUL")
    await house.sweep(seconds=6)
    (one,) = await collect(house, owed.id)
    assert one.attempts[0].holder == "NGO BIYONG Esther"
    kinds = [journal.kind for journal in (*one.journals, *one.attempts[0].journals)]
    assert kinds == ["payout_set_aside", "payout"]
    assert "NGO BIYONG Esther" in render([one], "en")


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("from=237670000001&amount=3800", "from=+23767***01&amount=3800"),
        ("phone=%2B237690000002", "phone=+23769***02"),
        (
            '{"phone": "+237670000001", "signature": "eyJhbGciOiJIUzI1NiJ9.e30.x"}',
            '{"phone": "+23767***01", "signature": "***"}',
        ),
        ("signature=eyJ.a.b&code=CP201027T00005", "signature=***&code=CP201027T00005"),
        ("reference=88e55aa4-dc65-49b3-b30a-a2e9100637f1", "reference=88e55aa4-dc65-49b3-b30a-a2e9100637f1"),
    ],
)
def test_what_a_provider_said_is_masked(raw: str, shown: str) -> None:
    assert mask(raw) == shown
