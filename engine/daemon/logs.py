"""The daemon's own log: lines of ``time= level= msg=`` on standard error, as dockerd writes them."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime

_LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "error": logging.ERROR,
    "fatal": logging.CRITICAL,
}
_NAMES = {"WARNING": "warning", "CRITICAL": "fatal"}


class LineFormatter(logging.Formatter):
    """One line a record, a traceback folded into a quoted member."""

    def format(self, record: logging.LogRecord) -> str:
        """As ``time="…" level=info msg="…" module=engine.x``."""
        when = datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        level = _NAMES.get(record.levelname, record.levelname.lower())
        line = f"time={quote(when)} level={level} msg={quote(record.getMessage())} module={record.name}"
        if record.exc_info:
            line += f" error={quote(self.formatException(record.exc_info))}"
        return line


def quote(text: str) -> str:
    """In double quotes, on one line."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def setup(level: str) -> None:
    """Log to standard error from `level` (debug, info, warn, error, fatal) on. May be called again."""
    root = logging.getLogger()
    if not any(isinstance(handler.formatter, LineFormatter) for handler in root.handlers):
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(LineFormatter())
        root.addHandler(handler)
    root.setLevel(_LEVELS[level])
    # asyncio's debug lines tell nothing of the engine.
    logging.getLogger("asyncio").setLevel(max(logging.WARNING, _LEVELS[level]))
