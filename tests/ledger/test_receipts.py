"""A receipt proves its journal to somebody who has only the file and a head; one that was touched proves nothing."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.clock import ManualClock
from core.database import Database
from gateway.cli import main
from ledger.canonical import WrittenJournal, WrittenLeg
from ledger.merkle import leaf_hash
from ledger.receipts import NoReceipt, issue, tell, verify
from ledger.seals import Seals, grouped
from tests.ledger.books import give
from tests.ledger.sealing import ANNA, BEN, damage, fill, look, seal_all

pytestmark = pytest.mark.anyio

HANDED_OUT = Path(__file__).parent / "fixtures" / "receipt.json"  # of journal 2, on the first day
DOCS = Path(__file__).parents[2] / "docs" / "tamper-evidence.md"


@pytest.fixture
async def sealed(database: Database, clock: ManualClock) -> Database:
    """Journals 1 to 5 in seal 1, journal 6 in seal 2."""
    seals = Seals(database)
    clock.advance(seconds=0.00025)
    await fill(database)
    await seal_all(seals)
    await give(database, ANNA, 1)
    await seal_all(seals)
    return database


async def receipt_of(database: Database, journal_id: int) -> bytes:
    async with database.reading() as tx:
        return (await issue(tx, journal_id=journal_id)).file()


async def test_every_journal_has_one_that_says_what_was_booked(sealed: Database) -> None:
    heads = set()
    for number in range(1, 7):
        shown = verify(await receipt_of(sealed, number))
        assert shown.journal.journal == number
        heads.add(shown.head)
    assert len(heads) == 2
    assert (await look(sealed)).head.hex() == shown.head
    transfer = tell(verify(await receipt_of(sealed, 2)))
    assert transfer[1:3] == [f"  30 XAF from {BEN.code} to {ANNA.code}", f"  20 XAF from {BEN.code} to {ANNA.code}"]


async def test_the_head_that_was_published_is_the_one_it_leads_to(sealed: Database) -> None:
    file, other = await receipt_of(sealed, 1), (await look(sealed)).head
    head = verify(file).head
    assert verify(file, head=f" {grouped(bytes.fromhex(head)).upper()}\n").head == head
    with pytest.raises(NoReceipt, match="another head"):
        verify(file, head=other.hex())


Change = Callable[[dict[str, Any]], object]
CHANGES: dict[str, Change] = {
    "the amount": lambda x: x["journal"]["legs"][0].update(amount=31),
    "who got it": lambda x: x["journal"]["legs"][0].update(credit_account=ANNA.code),
    "a leg more": lambda x: x["journal"]["legs"].append(x["journal"]["legs"][0]),
    "a leg less": lambda x: x["journal"]["legs"].pop(),
    "when": lambda x: x["journal"]["legs"][0].update(recorded_at="2026-01-01T00:00:00Z"),
    "its number": lambda x: x["journal"].update(journal=3),
    "its place": lambda x: x["proof"].update(index=0),
    "a place outside": lambda x: x["proof"].update(index=5),
    "a shorter proof": lambda x: x["proof"]["path"].pop(),
    "a longer proof": lambda x: x["proof"]["path"].append("00" * 32),
    "the seal's number": lambda x: x["seal"].update(number=2),
    "the seal's beginning": lambda x: x["seal"].update(first_after=2),
    "the seal's end": lambda x: x["seal"].update(last_journal=6),
    "the seal's size": lambda x: x["seal"].update(journals=6),
    "the seal's root": lambda x: x["seal"].update(root="00" * 32),
    "the seal's time": lambda x: x["seal"].update(sealed_at="2026-11-21T11:00:01Z"),
    "the head before": lambda x: x["seal"].update(previous="00" * 32),
    "the head": lambda x: x.update(head="00" * 32),
    "something beside it": lambda x: x["journal"].update(note="approved"),
    "another form": lambda x: x.update(format="mboa-receipt-2"),
    "no hexadecimal": lambda x: x.update(head="yes"),
    "a time without zone": lambda x: x["seal"].update(sealed_at="2026-11-21T11:00:00"),
    "a negative number": lambda x: x["seal"].update(first_after=-1),
    "an endless number": lambda x: x["seal"].update(number=2**64),
}


def test_one_that_was_handed_out_is_good_for_ever() -> None:
    shown = verify(HANDED_OUT.read_bytes())
    assert (shown.journal.journal, shown.seal.journals, len(shown.proof.path)) == (2, 5, 3)


@pytest.mark.parametrize("what", CHANGES)
def test_whatever_is_changed_in_it_it_proves_nothing(what: str) -> None:
    content = json.loads(HANDED_OUT.read_bytes())
    verify(json.dumps(content).encode())  # its layout is free
    CHANGES[what](content)
    with pytest.raises(NoReceipt):
        verify(json.dumps(content).encode())


@pytest.mark.parametrize("nonsense", [b"", b"{}", b"\xff\x00", b"[" * 100_000, b'{"format": "mboa-receipt-1"}'])
def test_what_is_no_receipt_is_told_from_one(nonsense: bytes) -> None:
    with pytest.raises(NoReceipt, match="not a receipt"):
        verify(nonsense)


def test_a_journal_without_a_leg_is_not_a_receipt() -> None:
    """Whoever makes one up can make it lead to its head."""
    content = json.loads(HANDED_OUT.read_bytes())
    content["journal"]["legs"] = []
    with pytest.raises(NoReceipt, match="not a receipt"):
        verify(json.dumps(content).encode())


async def test_there_is_none_for_what_is_not_there_or_not_sealed_or_not_as_it_was(
    sealed: Database, owner: Database
) -> None:
    await give(sealed, BEN, 1)
    await damage(owner, "UPDATE posting SET amount = 101 WHERE journal_id = 1")
    for number, why in ((99, "no journal 99"), (7, "not sealed yet"), (1, "not what seal 1 saw")):
        with pytest.raises(NoReceipt, match=why):
            await receipt_of(sealed, number)


async def test_the_twenty_lines_of_the_documentation_check_it_without_our_code(
    sealed: Database, tmp_path: Path
) -> None:
    script = re.search(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)
    assert script is not None
    (tmp_path / "check.py").write_text(script[1])
    for number in range(1, 7):
        file = tmp_path / f"{number}.json"
        file.write_bytes(await receipt_of(sealed, number))
        shown = subprocess.run([sys.executable, "-I", "check.py", file], cwd=tmp_path, capture_output=True, text=True)
        assert shown.stdout.split() == [str(number), verify(file.read_bytes()).head], shown.stderr
    changed = tmp_path / "changed.json"
    changed.write_text(file.read_text().replace('"amount": 1,', '"amount": 2,'))
    refused = subprocess.run([sys.executable, "-I", "check.py", changed], cwd=tmp_path, capture_output=True, text=True)
    assert refused.returncode != 0


@given(st.dictionaries(st.text(), st.text()))
def test_a_leaf_is_what_any_json_library_makes_of_it(metadata: dict[str, str]) -> None:
    journal = WrittenJournal(7, [WrittenLeg(1, 5, metadata=metadata)])
    plain = {"journal": 7, "legs": [{"leg": 1, "amount": 5, "metadata": metadata}]}
    line = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert journal.leaf() == leaf_hash(line.encode())


# ---- by command ------------------------------------------------------------------------------------------


async def test_it_is_checked_by_command_where_there_is_no_database(
    sealed: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "receipt.json"
    file.write_bytes(await receipt_of(sealed, 2))
    head = verify(file.read_bytes()).head
    monkeypatch.chdir(tmp_path)
    for words in ((), ("--head", head)):
        assert main(["receipt", "verify", str(file), *words]) == 0
        assert f"  30 XAF from {BEN.code} to {ANNA.code}" in capsys.readouterr().out
    assert main(["receipt", "verify", str(file), "--head", "00" * 32]) == 1
    assert "another head" in capsys.readouterr().err
    assert main(["receipt", "verify", "nowhere.json"]) == 1
    assert "nowhere.json" in capsys.readouterr().err
    assert not (tmp_path / ".demo").exists()
