"""SQLAlchemy's compliance suite for dialects, as it is, but for one question that it has no answer to."""

from typing import Any

from sqlalchemy.testing.suite import *  # noqa: F403
from sqlalchemy.testing.suite import ServerSideCursorsTest as _ServerSideCursorsTest


class ServerSideCursorsTest(_ServerSideCursorsTest):
    """The suite knows by the driver's name how to tell a cursor that streams; other drivers' dialects say it here."""

    def _is_server_side(self, cursor: Any) -> bool:
        if self.engine.dialect.driver in ("psycopg", "pg8000"):
            return bool(super()._is_server_side(cursor))
        return bool(getattr(cursor, "server_side", False) or getattr(cursor, "_is_stream", False))
