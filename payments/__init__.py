"""Money in and out of mobile money. Knows no orders; it calls the handlers it is given.

Promised: no second prompt while the first may be live, every franc received attached to something, a surplus
sent back by itself, an unknown payout never sent again. Not promised: with a provider that has neither a look-up
by our id nor proven idempotency (CamPay), nobody can prove that a lost request caused no prompt; such a
collection is read for a week, and only the customer's consent starts another one.
"""
