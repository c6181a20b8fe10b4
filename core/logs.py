"""JSON logs that hold no secret and no full phone number, whatever is thrown at them (D30)."""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

_PHONE = re.compile(r"(?<!\d)(\+?237[\s.-]?|00237)?([26]\d)[\s.-]?(\d[\s.-]?){5}(\d{2})(?!\d)")
# A driver's complaint about a value quotes the value, which a person may have typed.
_QUOTED = re.compile(r"(query argument \$\d+: ).*")
_HIDDEN_KEYS = re.compile(r"pin|code$|password|secret|token|authorization|signature|api_?key|transcript|^text$|^input$")


def mask(value: object) -> object:
    """`value` with phone numbers shortened; used on every field of every log line."""
    if isinstance(value, str):
        return _QUOTED.sub(r"\1***", _PHONE.sub(r"\g<2>***\g<4>", value))
    if isinstance(value, dict):
        return {k: "***" if _HIDDEN_KEYS.search(str(k).lower()) else mask(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [mask(item) for item in value]
    return value


def _mask_event(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        event[key] = "***" if _HIDDEN_KEYS.search(key.lower()) and key != "status_code" else mask(value)
    return event


def configure_logging(*, level: str = "INFO", service: str = "gateway") -> None:
    """One JSON line per event on standard error, the standard library's loggers included."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _mask_event,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(sort_keys=False),
            ],
            foreign_pre_chain=shared,
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
    logging.getLogger("uvicorn.access").setLevel(logging.WARNING)
    structlog.contextvars.bind_contextvars(service=service)


def logger(name: str) -> Any:
    """A structured logger: `log.info("turn", outcome="answered")`."""
    return structlog.get_logger(name)
