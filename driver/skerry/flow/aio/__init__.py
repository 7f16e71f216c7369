"""Flows for asyncio: the sources of the blocking ones (see driver/unasync.py), and what differs."""
