"""Identifiers: time-ordered UUIDs for rows, short numbers for people."""

import secrets
from uuid import UUID, uuid4

import uuid_utils


def new_id() -> UUID:
    """A UUIDv7: unique, and in the order of creation, so that indexes stay compact."""
    return UUID(bytes=uuid_utils.uuid7().bytes)


def new_reference() -> UUID:
    """A UUIDv4, for ids that leave the house: it tells nothing about when it was made."""
    return uuid4()


def order_number() -> int:
    """A 4-digit number, 1000-9999, for keypads. Unique only among open orders: the database says so."""
    return 1000 + secrets.randbelow(9000)
