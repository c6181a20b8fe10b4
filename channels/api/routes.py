"""`/api/v1`: every resource and who may use it, in one list."""

from litestar import Router
from litestar.config.compression import CompressionConfig
from litestar.di import Provide
from litestar.middleware import DefineMiddleware
from litestar.middleware.compression import CompressionMiddleware
from litestar.openapi.spec import SecurityRequirement

from channels.api import (
    catalogue,
    feedback,
    finance,
    ledger,
    login,
    menus,
    orders,
    reports,
    rewards,
    wallet,
    withdrawals,
)
from channels.api.access import ALWAYS, allow, caller, no_flood, not_in_maintenance
from channels.api.encoding import ApiRequest, ApiResponse
from core.settings import Settings

_BEARER: list[SecurityRequirement] = [{"bearer": []}]


def api_router(settings: Settings) -> Router:
    """The compact API. Its parts come by name: `database`, `limits` and, behind a guard, `caller`."""
    return Router(
        "/api/v1",
        route_handlers=[
            login.start_login,
            login.verify_login,
            login.log_in_staff,
            login.refresh_tokens,
            login.log_out,
            catalogue.list_restaurants,
            catalogue.list_dishes,
            catalogue.list_quarters,
            catalogue.list_landmarks,
            _customers(),
            _finance(),
            _operations(),
        ],
        guards=[no_flood, not_in_maintenance],
        middleware=[DefineMiddleware(CompressionMiddleware, config=CompressionConfig(backend="gzip"))],
        request_class=ApiRequest,
        response_class=ApiResponse,
        request_max_body_size=settings.api_body_bytes,
    )


def _customers() -> Router:
    return Router(
        "/",
        route_handlers=[
            orders.make_quote,
            orders.place_order,
            orders.pay_again,
            orders.list_orders,
            orders.read_order,
            orders.cancel_order,
            feedback.rate_order,
            feedback.complain,
            feedback.ask_call_back,
            feedback.list_cases,
            wallet.read_wallet,
            wallet.read_statement,
            wallet.read_limits,
            wallet.top_up,
            withdrawals.read_withdrawable,
            withdrawals.withdraw,
            rewards.read_points,
            rewards.redeem_points,
            rewards.read_referral_code,
            rewards.enter_referral_code,
        ],
        guards=[allow("customer")],
        dependencies={"caller": Provide(caller, sync_to_thread=False)},
        security=_BEARER,
    )


def _finance() -> Router:
    return Router(
        "/",
        route_handlers=[
            reports.list_reports,
            reports.make_report,
            reports.account_statement,
            finance.list_proposals,
            finance.approve,
            finance.reject,
            finance.list_attempts,
            finance.rule,
            finance.read_payment,
            finance.list_differences,
            finance.resolve,
            finance.propose_payout,
            finance.list_payouts,
            ledger.propose_posting,
            ledger.propose_reversal,
            ledger.audit_trail,
            ledger.issue_receipt,
            ledger.list_periods,
            ledger.close_period,
            ledger.propose_reopening,
        ],
        guards=[allow("finance", "admin")],
        opt=ALWAYS,
        dependencies={"caller": Provide(caller, sync_to_thread=False)},
        security=_BEARER,
    )


def _operations() -> Router:
    return Router(
        "/ops",
        route_handlers=[menus.make_menu_report],
        guards=[allow("support", "finance", "admin")],
        dependencies={"caller": Provide(caller, sync_to_thread=False)},
        security=_BEARER,
    )
