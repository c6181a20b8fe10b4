"""Every figure that an operator may change, in one typed object read from the environment.

A field `quote_minutes` is set by the variable `QUOTE_MINUTES`. Figures and their numbers (D1-D32) come from
the decisions; units stand last in each name. `gateway config` prints what is in force.
"""

import os
from collections.abc import Mapping
from typing import Annotated, Literal, get_type_hints

import msgspec

from core.phones import CARRIER_PREFIXES


class Secret(str):
    """A setting that is never printed."""

    def __repr__(self) -> str:
        return "'***'" if self else "''"


Fraction = Annotated[float, msgspec.Meta(ge=0, le=1)]
Positive = Annotated[int, msgspec.Meta(ge=1)]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The effective settings of one process."""

    # where things are
    environment: str = "production"  # "demo" and "test" open the simulator's doors; `serve` runs as production
    host: str = "127.0.0.1"
    port: Positive = 8000
    public_url: str = ""  # how the outside reaches us, for callbacks; empty: http://host:port
    database_url: str = ""  # the service; empty: the embedded PostgreSQL
    database_owner_url: str = ""  # migrates; empty: database_url does, and only its own word keeps it from the books
    database_role: str = "mboa_service"  # as whom the service acts, whoever connects; made by `gateway migrate`
    embedded_isolation: str = "auto"  # how root runs the embedded one: "namespace", "service-user", or what works
    redis_url: str = ""  # sessions and limits; empty: in process, for one web process
    ussd_sessions: Literal["", "memory", "postgres", "redis"] = ""  # empty: redis if there is one, else memory
    simulator_url: str = ""  # where the simulated networks listen; only in demo and tests
    clock_file: str = ""  # a clock that a simulated week is driven by; never in production
    trusted_proxies: tuple[str, ...] = ()  # addresses whose X-Forwarded-For counts (D20)

    # secrets (D31)
    secret_key: Secret = Secret("")  # base64 of at least 32 bytes; every other key is derived from it
    ussd_secret: Secret = Secret("")  # the path segment of Africa's Talking's USSD callback
    ussd_secrets: Secret = Secret("")  # those of other dialects: `mtn_madapi=segment,hubtel=segment`
    sms_secret: Secret = Secret("")
    payments_secret: Secret = Secret("")
    sim_secret: Secret = Secret("")  # the path segment under which operators tell of changed SIM cards; empty: no door

    closed: bool = False  # maintenance, whatever `gateway maintenance` says
    maintenance_age_seconds: float = 1.0  # how late a process may learn of `gateway maintenance`

    # channels
    service_code: str = "*237*1#"
    short_code: str = "8237"
    ussd_dialects: tuple[str, ...] = ("africastalking",)  # the aggregators that are served (docs/ussd-dialects.md)
    ussd_codes: dict[str, str] = {}  # dialect -> its code, where it is not service_code
    ussd_page_septets: Positive = 160  # planned; the network's own limit is 182 (contracts/gsm.md)
    ussd_network_septets: dict[str, Positive] = {}  # an aggregator's word for a network -> septets, where they differ
    ussd_resume_minutes: Positive = 30
    ussd_event_days: Positive = 90  # how long turns are remembered (D28)
    ussd_experiments: dict[str, dict[str, int]] = {}  # name -> variant -> percent (menus_ussd/evidence/experiments.py)
    ussd_soft_deadline_seconds: float = 2.5
    ussd_hard_deadline_seconds: float = 4.0
    ussd_promise_seconds: float = 0.5  # to write down, after the hard deadline, that an SMS will tell
    ussd_outcome_seconds: Positive = 20  # after which an effect that has not happened never will
    africastalking_url: str = "https://api.africastalking.com"
    africastalking_username: str = "sandbox"
    africastalking_api_key: Secret = Secret("")
    sms_connect_seconds: float = 3.0
    sms_read_seconds: float = 10.0

    # money
    carrier_prefixes: tuple[tuple[str, str], ...] = CARRIER_PREFIXES
    campay_url: str = "https://demo.campay.net/api"
    campay_username: str = ""
    campay_password: Secret = Secret("")
    campay_webhook_key: Secret = Secret("")
    campay_collect_fee_bp: dict[str, int] = msgspec.field(default_factory=lambda: {"mtn": 250, "orange": 200})  # D10
    campay_withdraw_fee_bp: dict[str, int] = msgspec.field(default_factory=lambda: {"mtn": 100, "orange": 100})
    campay_permanent_token: Secret = Secret("")  # from the dashboard; instead of username and password
    noupay_url: str = "https://api.noupay.com"
    noupay_api_key: Secret = Secret("")
    noupay_webhook_secret: Secret = Secret("")
    noupay_collect_fee_bp: dict[str, int] = msgspec.field(default_factory=lambda: {"mtn": 250, "orange": 250})
    noupay_payout_fee_bp: dict[str, int] = msgspec.field(default_factory=lambda: {"mtn": 100, "orange": 100})
    pawapay_url: str = "https://api.sandbox.pawapay.io"
    pawapay_token: Secret = Secret("")
    pawapay_callback_key: Secret = Secret("")  # their public key (PEM); empty: callbacks only ring
    pawapay_collect_fee_bp: dict[str, int] = msgspec.field(default_factory=lambda: {"mtn": 250, "orange": 250})
    pawapay_payout_fee_bp: dict[str, int] = msgspec.field(default_factory=lambda: {"mtn": 100, "orange": 100})
    mtn_url: str = "https://sandbox.momodeveloper.mtn.com"
    mtn_target_environment: str = "sandbox"
    mtn_currency: str = "XAF"  # the sandbox takes EUR only
    mtn_collection_user: str = ""
    mtn_collection_key: Secret = Secret("")
    mtn_collection_subscription: Secret = Secret("")
    mtn_disbursement_user: str = ""
    mtn_disbursement_key: Secret = Secret("")
    mtn_disbursement_subscription: Secret = Secret("")
    mtn_collect_fee_bp: dict[str, int] = msgspec.field(default_factory=lambda: {"mtn": 200})
    mtn_payout_fee_bp: dict[str, int] = msgspec.field(default_factory=lambda: {"mtn": 100})
    payment_providers: tuple[str, ...] = ("campay", "noupay")  # those in use, the preferred first (D4)
    maintenance: tuple[str, ...] = ()  # "provider" or "provider:carrier": no new money through these
    # "provider:carrier" -> least and most XAF in one operation, where it differs from attempt_minimum_xaf … maximum
    provider_limits_xaf: dict[str, tuple[int, int]] = msgspec.field(default_factory=dict)
    breaker_failures: Positive = 5  # in a row (D23)
    breaker_window: Positive = 20
    breaker_share: Fraction = 0.5  # of the window
    breaker_open_seconds: Positive = 60
    unknown_payout_hours: Positive = 24  # then two finance users decide
    suspense_alarm_days: Positive = 3  # money in suspense for longer is a finding of `gateway doctor`
    provider_connect_seconds: float = 3.0
    provider_read_seconds: float = 10.0  # D22
    attempt_minimum_xaf: Positive = 100
    attempt_maximum_xaf: Positive = 500_000
    collect_deadline_seconds: Positive = 900
    prompt_delay_seconds: Positive = 5  # after our USSD session (design/payments.md 22)
    prompt_gap_seconds: Positive = 60  # between two prompts to one number for one amount
    payout_minimum_xaf: Positive = 500
    payout_daily_maximum_xaf: Positive = 500_000  # above it: four eyes (D27)
    wallet_daily_maximum_xaf: Positive = 300_000  # D13
    wallet_monthly_maximum_xaf: Positive = 1_000_000
    low_balance_xaf: Positive = 1_000  # below it, who asked for that is offered a top-up (D14)
    wallet_hold_hours: Positive = 24  # how long an order may wait for its restaurant with its money reserved
    wallet_withdrawals: bool = False  # wallet money back to the number it came from; regulated (D13)
    commission_bp: tuple[tuple[int, int], ...] = ((500, 1000), (100, 1200), (0, 1500))  # above N orders: rate (D7)
    driver_base_xaf: Positive = 500  # D8
    driver_per_km_xaf: Positive = 100
    tips_xaf: tuple[Positive, ...] = (200, 500, 1000)  # what a customer is offered to give the driver
    tip_hours: Positive = 24  # after delivery
    tax_bp: int = 0  # D26
    point_per_xaf: Positive = 100  # D11
    point_worth_xaf: Positive = 1  # in the wallet
    # name, points earned in 12 months, percent of the points that an order earns
    tiers: tuple[tuple[str, int, int], ...] = (("gold", 2000, 150), ("silver", 500, 125), ("bronze", 0, 100))

    referral_credit_xaf: Positive = 500  # to each of the two (D12)
    referrals_per_month: Positive = 10  # that one person is credited for
    referral_days: Positive = 90  # how long the first delivered order may take

    ledger_future_days: Positive = 31  # how far ahead a journal's effective date may lie
    ledger_queue: Positive = 10_000  # stand-alone journals that may wait for a flush
    seal_seconds: float = 10.0  # how often a worker seals what has become final
    seal_log: str = ""  # a file outside the database that gets the head of every seal; empty: only the log has them

    # life times and limits
    cart_minutes: Positive = 30  # D2
    cart_reminder_minutes: Positive = 3  # after a cart was left behind: one SMS with a number to go on at
    cart_reminders_per_day: int = 1  # to one customer; 0: none
    quote_minutes: Positive = 10
    group_minutes: Positive = 60  # how long others may add to a group's cart
    menu_age_seconds: float = 5.0  # how old a shown menu may be; orders are always checked against today's
    login_code_seconds: Positive = 300
    login_code_attempts: Positive = 5
    access_token_minutes: Positive = 15  # D1
    refresh_token_days: Positive = 7
    refresh_grace_seconds: Positive = 60
    staff_idle_minutes: Positive = 60
    pin_attempts: Positive = 5  # D5
    sim_freeze_hours: Positive = 24  # how long nothing is paid out to a number that moved to another SIM card
    pin_reset_minutes: Positive = 30  # how long the code for a new PIN counts
    pin_resets_per_day: Positive = 3
    pin_reset_freeze_hours: Positive = 24  # then the wallet pays again (docs/decisions/0018)
    rating_days: Positive = 14  # after delivery
    delivery_code_attempts: Positive = 5  # D15
    driver_code_misses_per_day: Positive = 20
    restaurant_reminder_minutes: Positive = 3  # D16
    restaurant_second_phone_minutes: Positive = 5
    restaurant_refuse_minutes: Positive = 8
    restaurant_busy_minutes: Positive = 30  # after an order it did not answer
    restaurant_misses_to_pause: Positive = 3  # in a day; then until they say OUVERT
    driver_offer_seconds: Positive = 75  # D17
    dispatch_lead_minutes: Positive = 15  # a driver is looked for this long before the food is ready
    driver_silence_minutes: Positive = 120
    handover_reminder_minutes: Positive = 30  # D19
    auto_release_hours: Positive = 24
    order_close_hours: Positive = 24  # after delivery
    ride_base_minutes: Positive = 10  # what the expected time of arrival adds to the preparation
    ride_minutes_per_km: Positive = 3
    rate_general: str = "100/15minutes"  # D20
    rate_auth: str = "5/15minutes"
    rate_payments: str = "3/5minutes"
    rate_orders: str = "3/minute"
    rate_dials: str = "60/5minutes"  # of one phone; a talk that goes on is never stopped
    rate_address: str = "600/minute"
    api_body_bytes: Positive = 32 * 1024  # D21
    callback_body_bytes: Positive = 4 * 1024

    # resources (D32, D5)
    web_connections: Positive = 10
    worker_connections: Positive = 10
    password_hash_kib: Positive = 64 * 1024
    pin_hash_kib: Positive = 19 * 1024
    sweep_seconds: float = 1.0  # how often a worker looks for payments that are due
    shutdown_seconds: Positive = 30

    @property
    def base_url(self) -> str:
        """Where the outside reaches this installation, without a trailing slash."""
        return self.public_url.rstrip("/") or f"http://{self.host}:{self.port}"

    @property
    def has_simulator(self) -> bool:
        """Whether the simulated networks may be reached through us; never in production."""
        return self.environment in ("demo", "test") and bool(self.simulator_url)


def pairs(text: str) -> dict[str, str]:
    """`mtn_madapi=one,hubtel=two`, as a setting of several secrets is written."""
    parts = (pair.partition("=") for pair in text.split(",") if pair.strip())
    return {name.strip(): value.strip() for name, _, value in parts}


def load_settings(environ: Mapping[str, str] | None = None, **overrides: object) -> Settings:
    """Settings from environment variables, then `overrides`. Raises ValueError naming the variable that is wrong."""
    environ = os.environ if environ is None else environ
    hints = get_type_hints(Settings, include_extras=True)
    values: dict[str, object] = {}
    for field in msgspec.structs.fields(Settings):
        raw = environ.get(field.name.upper())
        if raw is None or raw == "":
            continue
        try:
            values[field.name] = _convert(raw, hints[field.name])
        except msgspec.ValidationError as problem:
            raise ValueError(f"{field.name.upper()}: {problem}") from None
    return Settings(**{**values, **overrides})  # type: ignore[arg-type]


def _convert(raw: str, hint: object) -> object:
    """One variable's text as its field's type: JSON for lists and tables, plain text otherwise."""
    if hint is Secret:
        return Secret(raw)
    if hint is str:
        return raw
    if raw[:1] in "[{":
        return msgspec.json.decode(raw, type=hint)
    if str(hint).startswith("tuple[str"):
        return tuple(part.strip() for part in raw.split(","))
    return msgspec.convert(raw, type=hint, strict=False)


def effective(settings: Settings) -> dict[str, object]:
    """Every setting by its variable's name, secrets and the passwords inside URLs masked."""
    shown: dict[str, object] = {}
    for field in msgspec.structs.fields(settings):
        value = getattr(settings, field.name)
        if isinstance(value, Secret):
            value = "***" if value else ""
        elif isinstance(value, str) and "://" in value and "@" in value:
            scheme, _, rest = value.partition("://")
            value = f"{scheme}://***@{rest.rpartition('@')[2]}"
        shown[field.name.upper()] = value
    return shown
