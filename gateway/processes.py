"""Starting processes that end with us: the kernel signals them when we die, however we die.

PR_SET_PDEATHSIG fires when the *thread* that started the process ends, so everything here is for main threads.
It is also cleared by a change of user, so it is set last, in the child, just before the program is loaded.
"""

import ctypes
import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import IO, Any

# Loaded before any fork: a child must not import.
_libc = ctypes.CDLL(None, use_errno=True)

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
_CLONE_NEWUSER = 0x10000000  # <linux/sched.h>


def end_with_parent(sent: signal.Signals) -> None:
    """Ask the kernel to send us `sent` when the thread that started us ends."""
    if _libc.prctl(_PR_SET_PDEATHSIG, sent, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")


def enter_user_namespace() -> None:
    """Leave root behind: in a user namespace without a mapping we are nobody, yet keep access to our own files.

    Raises OSError where namespaces are refused (most containers).
    """
    if _libc.unshare(_CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "unshare(CLONE_NEWUSER)")


def start(
    command: Sequence[str | Path],
    *,
    on_our_death: signal.Signals = signal.SIGKILL,
    before: Callable[[], None] | None = None,
    environment: Mapping[str, str] | None = None,
    output: IO[bytes] | None = None,
    **options: Any,
) -> subprocess.Popen[bytes]:
    """Start `command` in a session of its own, so that Ctrl-C reaches us alone and we stop it in good order.

    `before` runs in the child; `output` takes both of its streams. More `options` are Popen's (user, group, cwd).
    """
    parent = os.getpid()

    def in_child() -> None:
        if before is not None:
            before()
        end_with_parent(on_our_death)
        if os.getppid() != parent:  # died between the fork and the line above
            os._exit(1)

    return subprocess.Popen(  # noqa: S603 - our own binaries, no shell
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        env=environment,
        preexec_fn=in_child,
        start_new_session=True,
        **options,
    )


def stop(process: subprocess.Popen[bytes], *steps: tuple[signal.Signals, float]) -> int:
    """Send each signal of `steps` and wait its seconds, then SIGKILL; the exit status."""
    for sent, seconds in steps:
        process.send_signal(sent)
        with suppress(subprocess.TimeoutExpired):
            return process.wait(seconds)
    process.kill()
    return process.wait()


@contextmanager
def interrupted_by_signals() -> Iterator[Callable[[], None]]:
    """SIGINT, SIGTERM and a closed terminal raise KeyboardInterrupt, once: what follows is the orderly stop.

    Python drops what is raised while it forks or finalises an object. The function that the block gets raises it
    again; a loop without end has to call it.
    """
    asked = False
    caught = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup
        caught.append(signal.SIGHUP)

    def interrupt(_: int, __: FrameType | None) -> None:
        nonlocal asked
        asked = True
        for number in caught:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    def look() -> None:
        if asked:
            raise KeyboardInterrupt

    for number in caught:
        signal.signal(number, interrupt)
    yield look
