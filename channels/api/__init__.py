"""The compact API, `/api/v1`: decode, authenticate, call a use case, encode. No rule lives here."""
