"""What the simulated networks may be told, and how they learn what they share with the product."""

from pathlib import Path
from typing import Literal, Self

import msgspec

from core.phones import MTN, ORANGE
from core.settings import Secret, Settings

_COLLECT_FEE_BP = {MTN: 250, ORANGE: 200}  # D10
_WITHDRAW_FEE_BP = {MTN: 100, ORANGE: 100}
_MINIMUM_XAF = {MTN: 5, ORANGE: 10}  # contracts/campay.md, "Errors"


class SimulatorSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of one simulator; the defaults are those of the demo and of tests."""

    data: Path  # the directory that holds simulator.db
    host: str = "127.0.0.1"
    port: int = 8100

    # the product: where callbacks go, and what its owner typed into the providers' dashboards
    product_url: str = "http://127.0.0.1:8000"
    ussd_secret: Secret = Secret("demo")
    sms_secret: Secret = Secret("demo")
    payments_secret: Secret = Secret("demo")
    service_code: str = "*237*1#"
    short_code: str = "8237"

    # CamPay
    campay_username: str = "demo"
    campay_password: Secret = Secret("demo")
    campay_webhook_key: Secret = Secret("webhook key of the simulated CamPay")
    campay_app_name: str = "Mboa Gateway"  # what payers read in the prompt
    campay_token_seconds: int = 3600
    campay_callback: Literal["get", "post-json", "post-form"] = "get"
    campay_callback_tries: int = 3  # retries are undocumented: few
    campay_withdraw_enabled: bool = True
    campay_opening_float_xaf: dict[str, int] = msgspec.field(default_factory=dict)  # by carrier; 0 where silent
    campay_collect_fee_bp: dict[str, int] = msgspec.field(default_factory=_COLLECT_FEE_BP.copy)
    campay_withdraw_fee_bp: dict[str, int] = msgspec.field(default_factory=_WITHDRAW_FEE_BP.copy)
    campay_minimum_xaf: dict[str, int] = msgspec.field(default_factory=_MINIMUM_XAF.copy)
    campay_maximum_xaf: int = 1_000_000

    # Africa's Talking
    africastalking_username: str = "sandbox"
    africastalking_api_key: Secret = Secret("demo")
    ussd_answer_seconds: float = 10.0  # contracts/africastalking.md
    ussd_idle_seconds: int = 60
    ussd_total_seconds: int = 180
    ussd_page_septets: int = 182  # contracts/gsm.md
    sms_retry_seconds: float = 2.0
    sms_retry_hours: int = 12

    # subscribers
    opening_balance_xaf: int = 500_000
    prompt_seconds: int = 300  # MTN gives the payer five minutes (contracts/ussd-dialects.md)

    @classmethod
    def beside(cls, product: Settings, **own: object) -> Self:
        """Settings of a simulator that serves `product`: secrets, codes and accounts are the product's."""
        names = {field.name for field in msgspec.structs.fields(product)}
        shared = {name: getattr(product, name) for name in cls.__struct_fields__ if name in names and name in _SHARED}
        return cls(**{**shared, "product_url": product.base_url, **own})


_SHARED = {
    "ussd_secret", "sms_secret", "payments_secret", "service_code", "short_code",
    "campay_username", "campay_password", "campay_webhook_key", "campay_collect_fee_bp", "campay_withdraw_fee_bp",
    "africastalking_username", "africastalking_api_key",
}  # fmt: skip
