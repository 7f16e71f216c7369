"""SQLAlchemy's dialect of Skerry: what `create_engine("skerry://...")` loads.

    skerry://user:password@host:port/database      a server, over the network
    skerry+embedded:///path                        a directory's database, in this process
    skerry+embedded://                             a database in memory, which lives as long as its Engine
    skerry+async://..., skerry+async_embedded:///  the same for create_async_engine()

Skerry speaks PostgreSQL's SQL, so `dialect.name` is "postgresql", and all that SQLAlchemy, Alembic and other libraries
do for that name is done: `sqlalchemy.dialects.postgresql` with its types and its `insert`, `postgresql_where=`,
`with_variant(JSONB, "postgresql")`, migrations.  Here is what differs: how to connect, isolation levels, cursors, and
which Python objects the driver gives.

This package is imported by SQLAlchemy's entry points alone; `import skerry` does not need SQLAlchemy.
"""

from __future__ import annotations

from sqlalchemy.dialects.postgresql import insert

from skerry.sqlalchemy.base import SkerryDialect
from skerry.sqlalchemy.embedded import SkerryEmbeddedDialect
from skerry.sqlalchemy.gql import gql

__all__ = ["SkerryDialect", "SkerryEmbeddedDialect", "gql", "insert"]
