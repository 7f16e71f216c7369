"""Skerry's engine: storage, transactions, catalog, SQL front end, planner, compiler and sessions.

Nothing here does I/O to clients.  `skerry_engine.engine.Engine` is the entry point; `errors` is a leaf that
driver and server import too.
"""
