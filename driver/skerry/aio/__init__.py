"""The driver for asyncio: the source of which the blocking one is made (driver/unasync.py)."""

from __future__ import annotations
