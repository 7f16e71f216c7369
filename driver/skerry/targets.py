"""Where a database is: the address that `connect` and `open` take.

":memory:"                               a database in this process, private to the call
"./data" or any other path               a database in this process, in that directory
"skerry://user:password@host:5433/name"  a server; password, port and name may be left out
    ...?sslmode=verify-full&sslrootcert=FILE    and how to encrypt: see `tls`

A password that is left out is taken from the environment variable PGPASSWORD, if there is one.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit

from skerry.tls import NO_OPTIONS, TlsOptions
from skerry_engine import errors

MEMORY = ":memory:"
SCHEME = "skerry"
DEFAULT_PORT = 5433
DEFAULT_USER = "skerry"
DEFAULT_DATABASE = "postgres"


@dataclass(frozen=True, slots=True)
class Target:
    """An address taken apart.  `path` is ':memory:' or a directory when the database is embedded,
    else None."""

    path: str | None
    host: str
    port: int
    user: str
    password: str | None
    database: str
    tls: TlsOptions = NO_OPTIONS


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """How an engine that is opened in this process is to behave; None leaves it to the engine.

    `gc_interval`: commits between two collections of old row versions.  `retention` (seconds) and
    `retention_bytes`: how long the past stays readable, and how much memory that may take.  `memory_limit` (bytes):
    what the process may take, of a database that is larger.
    """

    gc_interval: int | None = None
    retention: float | None = None
    retention_bytes: int | None = None
    memory_limit: int | None = None

    def refuse_for_server(self) -> None:
        """Raise InterfaceError if something is asked for that only who starts a server can say."""
        for name in self.__slots__:
            if getattr(self, name) is not None:
                option = name.replace("_", "-")
                raise errors.InterfaceError(f"{name} is the server's to say: skerry serve --{option}")


def parse_target(
    target: str | os.PathLike[str], user: str | None = None, database: str | None = None
) -> Target:
    """Take an address apart; `user` and `database` outrank what it says.

    Raises InterfaceError when it is malformed.
    """
    text = os.fspath(target)
    if "://" not in text:
        return Target(
            path=text or MEMORY,
            host="",
            port=0,
            user=user or DEFAULT_USER,
            password=None,
            database=database or DEFAULT_DATABASE,
        )
    return _parse_url(text, user, database)


def _parse_url(text: str, user: str | None, database: str | None) -> Target:
    parts = urlsplit(text)
    if parts.scheme != SCHEME:
        raise errors.InterfaceError(
            f"unknown address scheme {parts.scheme!r}: use {SCHEME}://user@host:port/database"
        )
    if parts.fragment:
        raise errors.InterfaceError("an address takes no fragment")
    try:
        port = parts.port or DEFAULT_PORT
    except ValueError as problem:
        raise errors.InterfaceError(f"invalid port in address: {problem}") from None
    return Target(
        path=None,
        host=parts.hostname or "127.0.0.1",
        port=port,
        user=user or unquote(parts.username or DEFAULT_USER),
        password=os.environ.get("PGPASSWORD") if parts.password is None else unquote(parts.password),
        database=database or unquote(parts.path.lstrip("/")) or DEFAULT_DATABASE,
        tls=_tls_options(parts.query),
    )


_TLS_NAMES = {"sslmode": "mode", "sslrootcert": "root_certificate", "sslcert": "certificate", "sslkey": "key"}


def _tls_options(query: str) -> TlsOptions:
    found: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in _TLS_NAMES:
            raise errors.InterfaceError(
                f"an address takes no {name!r}: pass options other than {', '.join(_TLS_NAMES)} as keywords"
            )
        found[_TLS_NAMES[name]] = value
    return TlsOptions(**found)
