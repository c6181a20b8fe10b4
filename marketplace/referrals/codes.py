"""Codes to be read out over a phone: a serial number and Luhn's check digit, `1008`.

A wrong digit or two neighbours changed over give nobody's code rather than somebody else's.
"""


def code_of(serial: int) -> int:
    """The code of a serial number."""
    return serial * 10 + (10 - _luhn_sum(serial * 10)) % 10


def serial_of(code: int) -> int | None:
    """The serial number that `code` stands for, or None when it is mistyped."""
    return code // 10 if code >= 10 and _luhn_sum(code) == 0 else None


def _luhn_sum(code: int) -> int:
    """The last digit of Luhn's sum; 0 for a number that ends with its check digit."""
    digits = [int(digit) for digit in reversed(str(code))]
    doubled = (sum(divmod(2 * digit, 10)) for digit in digits[1::2])
    return (sum(digits[::2]) + sum(doubled)) % 10
