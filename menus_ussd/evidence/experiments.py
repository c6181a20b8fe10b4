"""Two texts, or two ways through a journey, each tried on a share of the callers (A/B).

`USSD_EXPERIMENTS={"ussd.home": {"short": 50}}` shows half of the callers the text `ussd.home@short` instead of
`ussd.home`; a name that is no text is asked for by a journey, with `call.variant("order.list")`. Whoever has a variant
keeps it on every call: it follows from who they are, and is stored nowhere.
"""

from collections.abc import Mapping

from core.crypto import Keyring
from core.texts import LANGUAGES, catalogue

Experiments = Mapping[str, Mapping[str, int]]  # name -> variant -> percent of the callers


def check(experiments: Experiments) -> None:
    """Raises ValueError for shares above a whole, and for texts that a language lacks."""
    for name, shares in experiments.items():
        if any(share < 0 for share in shares.values()) or sum(shares.values()) > 100:
            raise ValueError(f"USSD_EXPERIMENTS: the shares of {name} are more than everybody")
        if name not in catalogue(LANGUAGES[0]):
            continue
        for key in (varied(name, variant) for variant in shares):
            if lacking := [language for language in LANGUAGES if key not in catalogue(language)]:
                raise ValueError(f"USSD_EXPERIMENTS: {key} is not written in {', '.join(lacking)}")


def variant_of(experiments: Experiments, keys: Keyring, name: str, person: str) -> str:
    """The variant of `name` that a person gets; empty for things as they are."""
    shares = experiments.get(name)
    if not shares:
        return ""
    bucket = int(keys.fingerprint("experiment", name, person)[:8], 16) % 100
    for variant, share in shares.items():
        if bucket < share:
            return variant
        bucket -= share
    return ""


def varied(key: str, variant: str) -> str:
    """The text of a variant."""
    return f"{key}@{variant}" if variant else key


def told(experiments: Experiments, keys: Keyring, person: str) -> list[str]:
    """Everything that a person is part of, as events keep it; `-` are those who get things as they are."""
    return [f"{name}@{variant_of(experiments, keys, name, person) or '-'}" for name in experiments]
