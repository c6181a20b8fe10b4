"""Requests that are no turn. The caller is told what to do; the log is told which field was wrong, nothing more."""


class Refusal(Exception):
    """`text_key` is what the caller reads, `field` what the sender got wrong."""

    def __init__(self, text_key: str, field: str) -> None:
        super().__init__(f"{text_key}: {field}")
        self.text_key = text_key
        self.field = field
