"""Reads whose answer may be a few seconds old: menus and places, asked for by every caller and changed by few.

Only for what is shown. What is agreed and paid is read afresh in its own transaction.
"""

from collections.abc import Awaitable, Callable
from functools import wraps
from time import monotonic
from typing import Any, ParamSpec, TypeVar
from weakref import WeakKeyDictionary

from core.database import Database, Tx

P = ParamSpec("P")
T = TypeVar("T")

# Beyond this many different arguments of one read, its answers are forgotten and begin anew.
_MOST = 10_000

_Kept = dict[tuple[object, ...], tuple[float, Any]]


def remembered(query: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
    """`query(tx, **arguments)`, its answer kept in this process for `settings.menu_age_seconds`."""
    by_database: WeakKeyDictionary[Database, _Kept] = WeakKeyDictionary()

    @wraps(query)
    async def read(*args: P.args, **arguments: P.kwargs) -> T:
        tx = args[0]
        assert isinstance(tx, Tx)
        kept = by_database.setdefault(tx.database, {})
        key = (*args[1:], *arguments.items())
        found = kept.get(key)
        if found is not None and found[0] >= monotonic():
            answer: T = found[1]
            return answer
        age_seconds = tx.settings.menu_age_seconds
        if found is not None:
            # The others go on with the old answer while this caller asks anew: hundreds may wait for the same.
            kept[key] = (monotonic() + age_seconds, found[1])
        try:
            answer = await query(*args, **arguments)
        except BaseException:
            kept.pop(key, None)
            raise
        if len(kept) >= _MOST:
            kept.clear()
        kept[key] = (monotonic() + age_seconds, answer)
        return answer

    return read
