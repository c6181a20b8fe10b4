"""What `payments` tells the rest of the house: handlers that `gateway` hands in (design: payments 23).

Each runs inside the transaction that makes the outcome true, with the payment's row locked, and at most once
per outcome. The journal of the outcome is posted AFTER the handler returns, as the transaction's last act:
a handler locks its business rows first and must not expect the new balance yet.

A handler may refuse with a GatewayError that is not `retryable`; only its own writes are undone. What `paid`
refuses goes back to the phone by itself; a refusal of any other is logged and the outcome stands.
"""

from collections.abc import Awaitable, Callable
from typing import TypeAlias
from uuid import UUID

import msgspec

from core.database import Tx
from payments.states import Failure, Kind, PaymentState


class Payment(msgspec.Struct, frozen=True):
    """Money owed in one direction, as callers and handlers see it."""

    id: UUID
    kind: Kind
    purpose: str
    reference: UUID
    state: PaymentState
    amount_xaf: int
    phone: str
    carrier: str
    provider: str
    failure: Failure | None = None


Handler: TypeAlias = Callable[[Tx, Payment], Awaitable[None]]


class Outcomes(msgspec.Struct, frozen=True):
    """One handler per thing that can become of a payment.

    - `paid`: a collection arrived in time; its account is credited by this same transaction.
    - `failed`: a collection came to nothing; `payment.failure` says why. No prompt is live.
    - `expired`: a collection's deadline passed without a result. Its prompt may still be live; if money comes
      later it goes back by itself.
    - `surplus`: money arrived that nobody wanted any more (late or twice) and could NOT be sent back to the
      phone. It rests in suspense:surplus; the handler credits it to the wallet of `payment.phone`
      (Dr SUSPENSE_SURPLUS) and says so. `payment` is the collection it came from.
    - `payout_done`: a payout or refund is final: PAID, or FAILED with the money back on the account it was
      taken from. A surplus that went back to its phone ends here too, with purpose "surplus".
    """

    paid: Handler
    failed: Handler
    expired: Handler
    surplus: Handler
    payout_done: Handler
