"""Carts, quotes, orders: their states, their deadlines and their money."""
