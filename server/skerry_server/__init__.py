"""Skerry's server: PostgreSQL's wire protocol (without I/O), the asyncio shell, the `skerry` command."""
