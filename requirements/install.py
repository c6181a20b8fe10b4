"""Makes .venv from the locks: `python3 requirements/install.py run` or `dev`. Needs Python 3.11 with venv, no more."""

import fcntl
import hashlib
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
MADE = VENV / ".made"  # its absence tells a half made environment


def main(wanted: str) -> None:
    """Bring .venv up to the lock of `wanted`, one process at a time, unless it is already."""
    if sys.version_info < (3, 11):  # noqa: UP036 - whatever `python3` is, runs this file
        sys.exit("Python 3.11 or newer is needed: name one with `make PYTHON=python3.12 ...`.")
    directory = os.open(ROOT / "requirements", os.O_RDONLY)
    fcntl.flock(directory, fcntl.LOCK_EX)  # a second `make` in the same clone waits here
    # What can test can run: never take the development packages away again.
    kind = "dev" if (VENV / ".dev").exists() else wanted
    state = fingerprint(kind)
    if not (MADE.exists() and stamp(kind).exists() and stamp(kind).read_text() == state):
        install(kind)
    for reached in ("run", kind):
        stamp(reached).write_text(fingerprint(reached))


def install(kind: str) -> None:
    """The environment, uv into it by pip, the locked packages by uv, and this project itself, editable."""
    stamp(kind).unlink(missing_ok=True)
    if not MADE.exists() or not works():
        run(sys.executable, "-m", "venv", "--clear", VENV)
        MADE.touch()
    python, uv = VENV / "bin" / "python", VENV / "bin" / "uv"
    run(python, "-m", "pip", "install", "--quiet", "--require-hashes", "--requirement", lock("uv"))
    # Compiled now: where PYTHONDONTWRITEBYTECODE is set, every start would compile everything again.
    run(uv, "pip", "sync", "--quiet", "--compile-bytecode", "--python", python, "--require-hashes", lock(kind))
    # Built by the locked hatchling, so that nothing is fetched that the lock does not name.
    run(uv, "pip", "install", "--quiet", "--python", python, "--no-deps", "--no-build-isolation", "--editable", ROOT)


def works() -> bool:
    """Whether the interpreter that .venv was made with is still there."""
    try:
        return subprocess.run([VENV / "bin" / "python", "-c", ""], check=False).returncode == 0  # noqa: S603
    except OSError:
        return False


def lock(name: str) -> Path:
    return ROOT / "requirements" / f"{name}.txt"


def stamp(kind: str) -> Path:
    return VENV / f".{kind}"


def fingerprint(kind: str) -> str:
    """Of everything that the environment is made from."""
    sources = (lock("uv"), lock(kind), ROOT / "pyproject.toml", Path(__file__))
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()


def run(*command: str | Path) -> None:
    environment = {**os.environ, "UV_PYTHON_DOWNLOADS": "never", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, check=False)  # noqa: S603 - from this file, no shell
    if done.returncode != 0:
        sys.exit(f"`{' '.join(map(str, command))}` failed with status {done.returncode}.")


if __name__ == "__main__":
    main(sys.argv[1])
