"""Coupons: who may use them, what they are worth, and who pays for it."""
