"""From a running demo to somebody else's desk: sealed, published, and checked there without a database."""

import json
from pathlib import Path

import pytest

from tests.end_to_end.running import Demo
from tests.end_to_end.town import eventually

pytestmark = [pytest.mark.xdist_group("demo"), pytest.mark.timeout(300)]


def test_a_receipt_leads_to_a_head_that_the_worker_published(
    demo: Demo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def receipt() -> str:
        return demo.run("receipt", "1").stdout

    file = tmp_path / "receipt.json"
    file.write_text(eventually(receipt, what="journal 1 sealed"))
    (published,) = demo.directory.glob(".demo/*/heads.jsonl")
    head = json.loads(published.read_text().splitlines()[0])["head"]
    monkeypatch.setitem(demo.variables, "DATABASE_URL", "postgresql://nobody@127.0.0.1:9/nowhere")
    assert demo.run("receipt", "verify", str(file), "--head", head).returncode == 0
    assert demo.run("receipt", "verify", str(file), "--head", head[::-1]).returncode == 1


def test_the_doctor_looks_deep_while_everything_runs(demo: Demo) -> None:
    eventually(lambda: "Sealed up to" in demo.run("doctor", "--deep").stdout, what="a seal")
    looked = demo.run("doctor", "--deep")
    assert looked.returncode == 0, looked.stdout + looked.stderr
    assert looked.stdout.startswith("All is well.\nSealed up to journal ")
