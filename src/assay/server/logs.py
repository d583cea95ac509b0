"""Logs as lines of JSON."""

import json
import logging
import time
from typing import Final, TextIO

__all__ = ["Json", "log_to"]

OWN: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "color_message"}
"""What every record has; the rest is what the caller gave as `extra`."""


class Json(logging.Formatter):
    """One object per record: time, level, logger, message, `extra`, and the traceback if any."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        row = {
            "time": f"{moment}.{record.msecs:03.0f}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        row |= {name: value for name, value in vars(record).items() if name not in OWN}
        if record.exc_info:
            row["traceback"] = self.formatException(record.exc_info)
        return json.dumps(row, ensure_ascii=True, default=str)


def log_to(stream: TextIO, level: int) -> None:
    """Send what the server and uvicorn log, of a level and above, and warnings to a stream."""
    logging.captureWarnings(True)
    handler = logging.StreamHandler(stream)
    handler.setFormatter(Json())
    for name in ("assay.server", "uvicorn", "py.warnings"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        # Uvicorn says at INFO what is printed already.
        logger.setLevel(level if name == "assay.server" else logging.WARNING)
