"""The `gateway` command where no demo runs: what it refuses, and how it says so."""

import base64
import os
import subprocess
from pathlib import Path

import pytest

from gateway.configuration import production_settings
from gateway.errors import CannotRun
from tests.end_to_end.running import GATEWAY

KEY = base64.b64encode(bytes(range(32))).decode()
PRODUCTION = {
    "SECRET_KEY": KEY,
    "USSD_SECRET": "cz1BJnXoNbYz",
    "SMS_SECRET": "eYHhBW7NTRm4",
    "PAYMENTS_SECRET": "mAB1d5bSWjQZ",
}


def run(directory: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    own = {"PATH": os.environ["PATH"], "HOME": str(directory), **variables}
    return subprocess.run([GATEWAY, *words], cwd=directory, env=own, capture_output=True, text=True, timeout=60)


def use(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    for name in (*PRODUCTION, "ENVIRONMENT", "CAMPAY_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


def test_serve_names_the_secrets_it_lacks(tmp_path: Path) -> None:
    refused = run(tmp_path, "serve", SECRET_KEY=KEY, SMS_SECRET="eYHhBW7NTRm4")
    assert refused.returncode == 1
    assert refused.stderr.startswith("Not set: USSD_SECRET, PAYMENTS_SECRET.")
    assert not (tmp_path / ".demo").exists()


@pytest.mark.parametrize("name", [*PRODUCTION, "CAMPAY_PASSWORD"])
def test_serve_and_worker_refuse_what_everybody_knows(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    use(monkeypatch, {**PRODUCTION, name: "demo" + KEY})
    with pytest.raises(CannotRun, match=f"choose others for {name}"):
        production_settings()


def test_the_demos_path_of_any_dialect_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, PRODUCTION)
    monkeypatch.setenv("USSD_SECRETS", "hubtel=cz1BJnXoNbYz,nalo=demo")
    with pytest.raises(CannotRun, match="choose others for USSD_SECRETS"):
        production_settings()


def test_own_secrets_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, PRODUCTION)
    assert production_settings().ussd_secret == "cz1BJnXoNbYz"


def test_the_demos_own_processes_may_use_its_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, {**PRODUCTION, "USSD_SECRET": "demo", "ENVIRONMENT": "demo"})
    assert production_settings().ussd_secret == "demo"


def test_config_masks_secrets_and_passwords_in_urls(tmp_path: Path) -> None:
    shown = run(tmp_path, "config", **PRODUCTION, DATABASE_URL="postgresql://mboa:hunter2@db/mboa").stdout
    assert "DATABASE_URL=postgresql://***@db/mboa\n" in shown
    assert not any(secret in shown for secret in ("hunter2", *PRODUCTION.values()))


def test_a_setting_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    refused = run(tmp_path, "config", PORT="eight thousand")
    assert refused.returncode == 1
    assert refused.stderr.startswith("PORT: ")


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory where nothing runs between two commands."""
    directory = tmp_path_factory.mktemp("installation")
    assert "run `gateway migrate`" in run(directory, "doctor").stderr
    assert run(directory, "seed").stdout.endswith("There are 12 restaurants, 6 drivers and 3 staff.\n")
    return directory


def test_the_database_is_started_for_the_length_of_a_command(installation: Path) -> None:
    assert run(installation, "doctor").stdout == "All is well.\n"
    assert not (installation / ".demo" / "8000" / "postgres" / "data" / "postmaster.pid").exists()


def test_a_report_is_printed_in_the_asked_format(installation: Path) -> None:
    assert run(installation, "report", "trial-balance", "--format", "csv").stdout.startswith("account,kind,currency")


def test_a_statement_of_an_account_that_never_was_says_so(installation: Path) -> None:
    refused = run(installation, "report", "account-statement", "--account", "income:nothing")
    assert refused.returncode == 1
    assert refused.stderr == "No journal has ever named an account income:nothing.\n"
