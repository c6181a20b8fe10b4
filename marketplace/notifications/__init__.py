"""Outgoing messages: written in the use case's own transaction, sent by the worker."""
