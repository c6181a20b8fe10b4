"""`gateway simulate`, as one runs it: orders against hostile networks, with workers that are killed."""

import os
import re
import subprocess
import sys

import pytest

_PATIENCE_SECONDS = 600  # half a minute where nothing else runs

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(_PATIENCE_SECONDS + 20)]

# Whatever goes wrong, these stay nothing.
NOTHING = (
    "double prompts", "double charges", "returned in part", "payouts twice", "payouts misjudged",
    "movements not booked", "francs unaccounted for", "accounts not emptied", "doctor's findings",
)  # fmt: skip


def simulate(database_url: str, *arguments: str) -> dict[str, str]:
    """The table of a run that must be sound, by its lines' names."""
    ran = subprocess.run(
        [sys.executable, "-m", "gateway.cli", "simulate", *arguments],
        env={**os.environ, "DATABASE_URL": database_url},
        capture_output=True,
        text=True,
        timeout=_PATIENCE_SECONDS,
    )
    assert ran.returncode == 0, f"{ran.stdout}\n{ran.stderr}"
    lines = (re.split(r" {2,}", line.strip()) for line in ran.stdout.splitlines())
    return {line[0]: line[1] for line in lines if len(line) == 2}


@pytest.mark.xdist_group("simulate")
@pytest.mark.parametrize("seed", [3, 7, 21])
async def test_no_franc_is_lost_and_none_is_taken_twice(database_url: str, seed: int) -> None:
    table = simulate(database_url, "--orders", "20", "--seed", str(seed), "--faults", "heavy", "--kill-every", "3")
    assert {name: table[name] for name in NOTHING} == dict.fromkeys(NOTHING, "0")
    assert table["everything came to rest"] == "yes"
    assert (table["orders"], int(table["faults met"]) > 20) == ("20", True)


@pytest.mark.xdist_group("simulate")
async def test_without_faults_everything_arrives_at_once(database_url: str) -> None:
    table = simulate(database_url, "--orders", "5", "--faults", "none", "--workers", "1")
    assert (table["orders"], table["payments"], table["faults met"]) == ("5", "5", "0")
