"""The driver's tests run twice: embedded and over the network."""

from support.databases import another, connection, database

__all__ = ["another", "connection", "database"]
