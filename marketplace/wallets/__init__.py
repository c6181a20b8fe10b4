"""Customers' money with us: balance, top-up, statement."""
