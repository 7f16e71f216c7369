"""Doing a durable log's I/O, where one thread does everything."""

from __future__ import annotations

from skerry_server.session_api import Log


def flush_log(log: Log | None) -> None:
    """Write and sync what the log has gathered, and publish the commits in it.

    If that fails the log is left with its `failure`, and those who wait are told by their own sessions.
    """
    flush = None if log is None else log.take()
    if log is None or flush is None:
        return
    error: Exception | None = None
    try:
        log.write(flush)
    except Exception as failure:  # noqa: BLE001 - whatever it was, no commit can be promised any more
        error = failure
    log.finish(flush, error)
