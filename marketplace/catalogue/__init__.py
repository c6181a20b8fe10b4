"""The catalogue: restaurants, their dishes and the phones that answer for them."""
