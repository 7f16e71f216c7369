"""Files for segments to come, made in a thread of their own.

Filling a file with zeros and syncing it takes as long as hundreds of commits.  The log's writer says when the segment
at hand is half full and no file waits; then a thread makes one, so that a commit finds it when the segment is full.

If that fails, nothing depends on it yet: the commit that needs the file tries again, and tells its client.

What it does not do: run while nothing is written.  The thread ends with the file.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import Final

from skerry_engine.errors import DurabilityLost
from skerry_engine.log.writer import LogWriter

RETRY_S: Final = 1.0

_logger = logging.getLogger("skerry.durability")


class SpareMaker:
    """Makes files for one log's segments, until `close`."""

    def __init__(self, writer: LogWriter) -> None:
        self._writer = writer
        self._maker: threading.Thread | None = None
        self._not_before_s = 0.0
        writer.on_wants_spare = self.ask

    def ask(self) -> None:
        """Begin to make a file, unless one is being made, or could not be made a moment ago."""
        if self._maker is not None and self._maker.is_alive():
            return
        if time.monotonic() < self._not_before_s:
            return
        maker = threading.Thread(target=self._make, name="skerry-log-spares", daemon=True)
        try:
            maker.start()
        except RuntimeError as error:  # too many threads, or the interpreter is ending
            self._failed(error)
        else:
            self._maker = maker

    def _make(self) -> None:
        try:
            self._writer.prepare(is_gentle=True)
        except DurabilityLost:
            pass  # the log has stopped: those who commit are told
        except OSError as error:
            self._failed(error)

    def _failed(self, error: Exception) -> None:
        self._not_before_s = time.monotonic() + RETRY_S
        _logger.warning("could not make a file for the log's next segment: %s", error)

    def close(self) -> None:
        """Make no more, and wait for the one that is being made: before the log is closed and others may have it."""
        self._writer.on_wants_spare = None
        if self._maker is not None:
            self._maker.join()
