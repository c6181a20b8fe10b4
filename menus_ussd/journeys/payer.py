"""Whose phone pays."""

from core.phones import parse_phone
from core.settings import Settings
from menus_ussd.call import Call
from payments.errors import UnsupportedCarrier
from payments.routing import has_rail


async def payer(call: Call) -> str:
    """The number (E.164) that pays: the caller's own if its carrier has a rail, else one more page.

    The journal holds it encrypted.
    """
    settings, keys = call.database.settings, call.database.keys
    if has_rail(settings, call.phone):
        return call.phone
    sealed = await call.ask("payer", lambda typed: keys.encrypt(payable(settings, typed)).hex())
    return keys.decrypt(bytes.fromhex(sealed))


def payable(settings: Settings, typed: str) -> str:
    """A number that can pay. Raises InvalidPhone or UnsupportedCarrier."""
    phone = parse_phone(typed)
    if not has_rail(settings, phone):
        raise UnsupportedCarrier()
    return phone
