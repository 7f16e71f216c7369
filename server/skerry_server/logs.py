"""Structured logs: one line per event, as key=value pairs or as JSON.

    time=2026-01-31T12:00:00.123Z level=info logger=skerry.server event="connected" backend_pid=7 user=skerry

Code logs an event's name as the message and its facts as `extra={"fields": {...}}`.  A traceback goes into
the field `traceback`, on the same line: a log line is always one line.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from datetime import UTC, datetime
from typing import Final

LEVELS: Final = ("debug", "info", "warning", "error")
FORMATS: Final = ("text", "json")

_BARE: Final = re.compile(r"[A-Za-z0-9_./:@+-]+\Z")


def record_fields(record: logging.LogRecord) -> dict[str, object]:
    """A log record's facts, in the order in which they are written."""
    moment = datetime.fromtimestamp(record.created, UTC)
    fields: dict[str, object] = {
        "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "level": record.levelname.lower(),
        "logger": record.name,
        "event": record.getMessage(),
    }
    extra = getattr(record, "fields", None)
    if isinstance(extra, dict):
        fields.update(extra)
    if record.exc_info and record.exc_info[0] is not None:
        fields["traceback"] = logging.Formatter().formatException(record.exc_info)
    return fields


class KeyValueFormatter(logging.Formatter):
    """key=value, quoted where needed."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        return " ".join(f"{key}={_shown(value)}" for key, value in record_fields(record).items())


class JsonFormatter(logging.Formatter):
    """One JSON object per line."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        return json.dumps(record_fields(record), default=str, ensure_ascii=False)


def _shown(value: object) -> str:
    text = str(value)
    return text if _BARE.match(text) else json.dumps(text, ensure_ascii=False)


def configure(level: str, log_format: str) -> None:
    """Log everything of Skerry's to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if log_format == "json" else KeyValueFormatter())
    logger = logging.getLogger("skerry")
    logger.handlers[:] = [handler]
    logger.setLevel(level.upper())
    logger.propagate = False
