"""Whether the providers' lists, our attempts and our books say the same, day by day (design: payments 18).

`service.run` fetches a day, `comparing` finds what differs, `items` writes each difference down once and books what
must not wait, `resolving` carries out what people decide about the rest, and `screen` shows it all.
"""

from payments.reconciliation.service import run

__all__ = ["run"]
