"""What the simulated networks may be told, and how they learn what they share with the product."""

from pathlib import Path
from typing import Literal, Self

import msgspec

from core.money import basis_points_up
from core.phones import MTN, ORANGE
from core.settings import Secret, Settings, pairs

_COLLECT_FEE_BP = {MTN: 250, ORANGE: 200}  # D10
_PAYOUT_FEE_BP = {MTN: 100, ORANGE: 100}
_MINIMUM_XAF = {MTN: 5, ORANGE: 10}  # contracts/campay.md, "Errors"


class SimulatorSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of one simulator; the defaults are those of the demo and of tests."""

    data: Path  # the directory that holds networks.db
    host: str = "127.0.0.1"
    port: int = 8100

    # the product: where callbacks go, and what its owner typed into the providers' dashboards
    product_url: str = "http://127.0.0.1:8000"
    ussd_secret: Secret = Secret("demo")
    ussd_secrets: Secret = Secret("")  # those of other dialects, as the product has them; "demo" where silent
    sms_secret: Secret = Secret("demo")
    payments_secret: Secret = Secret("demo")
    sim_secret: Secret = Secret("demo")
    service_code: str = "*237*1#"
    short_code: str = "8237"

    # all providers
    shop_name: str = "Mboa Gateway"  # what payers read in the prompt
    minimum_xaf: dict[str, int] = msgspec.field(default_factory=_MINIMUM_XAF.copy)
    maximum_xaf: int = 1_000_000

    # CamPay
    campay_username: str = "demo"
    campay_password: Secret = Secret("demo")
    campay_permanent_token: Secret = Secret("")
    campay_webhook_key: Secret = Secret("webhook key of the simulated CamPay")
    campay_token_seconds: int = 3600
    campay_callback: Literal["get", "post-json", "post-form"] = "get"
    campay_callback_tries: int = 3  # retries are undocumented: few
    campay_withdraw_enabled: bool = True
    campay_opening_float_xaf: dict[str, int] = msgspec.field(default_factory=dict)  # by carrier; 0 where silent
    campay_collect_fee_bp: dict[str, int] = msgspec.field(default_factory=_COLLECT_FEE_BP.copy)
    campay_withdraw_fee_bp: dict[str, int] = msgspec.field(default_factory=_PAYOUT_FEE_BP.copy)

    # NouPay
    noupay_api_key: Secret = Secret("demo")
    noupay_webhook_secret: Secret = Secret("demo")
    noupay_callback_tries: int = 3
    noupay_opening_float_xaf: dict[str, int] = msgspec.field(default_factory=dict)
    noupay_collect_fee_bp: dict[str, int] = msgspec.field(default_factory=_COLLECT_FEE_BP.copy)
    noupay_payout_fee_bp: dict[str, int] = msgspec.field(default_factory=_PAYOUT_FEE_BP.copy)

    # pawaPay
    pawapay_token: Secret = Secret("demo")
    pawapay_signing_key: Secret = Secret("")  # the private half (PEM) of their key; empty: callbacks are not signed
    pawapay_callback_tries: int = 3
    pawapay_opening_float_xaf: dict[str, int] = msgspec.field(default_factory=dict)
    pawapay_collect_fee_bp: dict[str, int] = msgspec.field(default_factory=_COLLECT_FEE_BP.copy)
    pawapay_payout_fee_bp: dict[str, int] = msgspec.field(default_factory=_PAYOUT_FEE_BP.copy)

    # MTN MoMo
    mtn_target_environment: str = "sandbox"
    mtn_currency: str = "XAF"
    mtn_collection_user: str = "demo"
    mtn_collection_key: Secret = Secret("demo")
    mtn_collection_subscription: Secret = Secret("demo")
    mtn_disbursement_user: str = "demo"
    mtn_disbursement_key: Secret = Secret("demo")
    mtn_disbursement_subscription: Secret = Secret("demo")
    mtn_token_seconds: int = 3600
    mtn_callback: Literal["put-json", "post-json"] = "put-json"
    mtn_reads_per_second: int = 10
    mtn_opening_float_xaf: dict[str, int] = msgspec.field(default_factory=dict)
    mtn_collect_fee_bp: dict[str, int] = msgspec.field(default_factory=lambda: {MTN: 200})
    mtn_payout_fee_bp: dict[str, int] = msgspec.field(default_factory=lambda: {MTN: 100})

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

    def ussd_secret_of(self, dialect: str) -> str:
        """The path segment that the product has told this aggregator."""
        return {"africastalking": self.ussd_secret, **pairs(self.ussd_secrets)}.get(dialect, "demo")

    def fee_xaf(self, provider: str, kind: str, carrier: str, amount_xaf: int) -> int:
        """What a provider takes for a movement; a refund costs what a payout does."""
        direction = "collect" if kind == "collect" else "withdraw" if provider == "campay" else "payout"
        rates: dict[str, int] = getattr(self, f"{provider}_{direction}_fee_bp")
        return basis_points_up(amount_xaf, rates.get(carrier, 0))

    def opening_float_xaf(self, provider: str, carrier: str) -> int:
        """What the merchant had at a provider before anything moved."""
        placed: dict[str, int] = getattr(self, f"{provider}_opening_float_xaf")
        return placed.get(carrier, 0)

    @classmethod
    def beside(cls, product: Settings, **own: object) -> Self:
        """Settings of a simulator that serves `product`: secrets, codes, accounts and fees are the product's.

        What the product was not given stays at its default: an account that nobody opened.
        """
        names = {field.name for field in msgspec.structs.fields(product)}
        shared = {name: getattr(product, name) for name in cls.__struct_fields__ if name in names and name in _SHARED}
        known = {name: value for name, value in shared.items() if value != ""}
        return cls(**{**known, "product_url": product.base_url, **own})


_SHARED = {
    "ussd_secret", "ussd_secrets", "sms_secret", "payments_secret", "sim_secret", "service_code", "short_code",
    "campay_username", "campay_password", "campay_permanent_token", "campay_webhook_key",
    "campay_collect_fee_bp", "campay_withdraw_fee_bp",
    "noupay_api_key", "noupay_webhook_secret", "noupay_collect_fee_bp", "noupay_payout_fee_bp",
    "pawapay_token", "pawapay_collect_fee_bp", "pawapay_payout_fee_bp",
    "mtn_target_environment", "mtn_currency", "mtn_collection_user", "mtn_collection_key",
    "mtn_collection_subscription", "mtn_disbursement_user", "mtn_disbursement_key", "mtn_disbursement_subscription",
    "mtn_collect_fee_bp", "mtn_payout_fee_bp",
    "africastalking_username", "africastalking_api_key",
}  # fmt: skip
