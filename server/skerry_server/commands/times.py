"""Moments as the log has them, microseconds since 2000-01-01 UTC, and as people write them."""

from __future__ import annotations

import argparse
import datetime

_EPOCH = datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC)


def moment(microseconds: int) -> datetime.datetime:
    """The moment."""
    return _EPOCH + datetime.timedelta(microseconds=microseconds)


def microseconds(text: str) -> int:
    """What an option says: ISO 8601, in the zone that it names or else in that of the machine.

    Raises ArgumentTypeError.
    """
    try:
        found = datetime.datetime.fromisoformat(text).astimezone(datetime.UTC)
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no time: write 2026-11-22T04:20:00+00:00, or without the zone for this machine's"
        ) from None
    return (found - _EPOCH) // datetime.timedelta(microseconds=1)


def shown(when: datetime.datetime) -> str:
    """For people and for options alike."""
    return when.astimezone(datetime.UTC).isoformat(sep=" ", timespec="microseconds")
