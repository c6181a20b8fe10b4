"""Merkle trees as in RFC 6962, section 2.1: one hash for a list, and a short proof that something is in the list.

Leaves and inner nodes are hashed with different first bytes, so that neither can be passed off as the other.
"""

from collections.abc import Sequence
from hashlib import sha256


class WrongPath(Exception):
    """The proof is too long or too short for a tree of this size."""


def leaf_hash(content: bytes) -> bytes:
    return sha256(b"\x00" + content).digest()


def _node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def _above(level: Sequence[bytes]) -> list[bytes]:
    """The next level of the tree; the last of an odd number goes up as it is."""
    pairs = [_node(left, right) for left, right in zip(level[::2], level[1::2], strict=False)]
    return [*pairs, level[-1]] if len(level) % 2 else pairs


def root(leaves: Sequence[bytes]) -> bytes:
    """The hash of a list of leaf hashes."""
    if not leaves:
        return sha256().digest()
    level = leaves
    while len(level) > 1:
        level = _above(level)
    return level[0]


def path(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """What proves that the leaf at `index` is in the list: its neighbour on each level, from the bottom."""
    neighbours = []
    level = leaves
    while len(level) > 1:
        if (beside := index ^ 1) < len(level):
            neighbours.append(level[beside])
        level, index = _above(level), index // 2
    return neighbours


def root_from(leaf: bytes, *, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """The root that a list of `size` leaves has if `path` proves `leaf` to be at `index`. Raises WrongPath."""
    if not 0 <= index < size:
        raise WrongPath
    neighbours = iter(path)
    found, last = leaf, size - 1
    try:
        while last > 0:
            if index % 2:
                found = _node(next(neighbours), found)
            elif index < last:
                found = _node(found, next(neighbours))
            index, last = index // 2, last // 2
    except StopIteration:
        raise WrongPath from None
    if next(neighbours, None) is not None:
        raise WrongPath
    return found
