"""Argon2id for PINs and passwords, two at a time whatever comes in: 64 MiB each must never eat the memory (D5)."""

import asyncio
import hmac
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

from core.crypto import Keyring
from core.settings import Settings

T = TypeVar("T")

PASSWORD_MINIMUM_KIB = 64 * 1024

_pool = ThreadPoolExecutor(max_workers=2, thread_name_prefix="hashing")


async def hash_pin(settings: Settings, keys: Keyring, pin: str) -> str:
    """The PIN peppered, then hashed."""
    return await _in_pool(_for_pins(settings).hash, _peppered(keys, pin))


async def pin_matches(settings: Settings, keys: Keyring, stored: str, pin: str) -> bool:
    return await _in_pool(_matches, _for_pins(settings), stored, _peppered(keys, pin))


async def hash_password(settings: Settings, password: str) -> str:
    return await _in_pool(_for_passwords(settings).hash, password.encode())


async def password_matches(settings: Settings, stored: str | None, password: str) -> bool:
    """False for an unknown user (`stored` is None) too, after the same work: the time must not tell who exists."""
    return await _in_pool(_matches, _for_passwords(settings), stored, password.encode())


async def _in_pool(work: Callable[..., T], *arguments: object) -> T:
    return await asyncio.get_running_loop().run_in_executor(_pool, work, *arguments)


@cache
def _hasher(memory_kib: int, time_cost: int, parallelism: int) -> PasswordHasher:
    return PasswordHasher(time_cost=time_cost, memory_cost=memory_kib, parallelism=parallelism)


def _for_pins(settings: Settings) -> PasswordHasher:
    return _hasher(settings.pin_hash_kib, 2, 1)


def _for_passwords(settings: Settings) -> PasswordHasher:
    """Never cheaper than the minimum, except in tests, which make hundreds of them."""
    minimum = 0 if settings.environment == "test" else PASSWORD_MINIMUM_KIB
    return _hasher(max(settings.password_hash_kib, minimum), 3, 4)


def _peppered(keys: Keyring, pin: str) -> bytes:
    """10,000 PINs are quickly tried; without the server's key there is nothing to try them on."""
    return hmac.digest(keys.pepper, pin.encode(), "sha256")


def _matches(hasher: PasswordHasher, stored: str | None, secret: bytes) -> bool:
    if stored is None:
        hasher.hash(secret)
        return False
    try:
        return hasher.verify(stored, secret)
    except VerifyMismatchError:
        return False
