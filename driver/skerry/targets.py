"""Where a database is: the address that `connect` and `open` take.

":memory:"                               a database in this process, private to the call
"./data" or any other path               a database in this process, in that directory
"skerry://user:password@host:5433/name"  a server; password, port and name may be left out
"skerry://user@one,two:5434/name"        several: the first that answers

After a `?` may stand, as in libpq's addresses:

    sslmode=, sslrootcert=, sslcert=, sslkey=    how to encrypt: see `tls`
    target_session_attrs=                        any, read-write, read-only, primary, standby, prefer-standby
    connect_timeout=SECONDS                      how long each server may take to answer
    application_name=, options=-c name=value     settings of the session

A password that is left out is taken from the environment variable PGPASSWORD, if there is one.  No other variable is
looked at.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit

from skerry.tls import NO_OPTIONS, TlsOptions
from skerry_engine import errors

MEMORY = ":memory:"
SCHEME = "skerry"
DEFAULT_PORT = 5433
DEFAULT_USER = "skerry"
DEFAULT_DATABASE = "postgres"

PREFER_STANDBY = "prefer-standby"
SESSION_ATTRIBUTES = ("any", "read-write", "read-only", "primary", "standby", PREFER_STANDBY)


@dataclass(frozen=True, slots=True)
class Target:
    """An address taken apart.  `path` is ':memory:' or a directory when the database is embedded, else None.

    `hosts` are all servers that it names, `host` and `port` the first; `settings` are what it says of the session.
    """

    path: str | None
    host: str
    port: int
    user: str
    password: str | None
    database: str
    tls: TlsOptions = NO_OPTIONS
    hosts: tuple[tuple[str, int], ...] = ()
    session_attributes: str = "any"
    connect_timeout_s: float | None = None
    settings: tuple[tuple[str, str], ...] = ()


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
    who, _, where = parts.netloc.rpartition("@")
    given_user, colon, given_password = who.partition(":")
    hosts = tuple([_host_and_port(each) for each in where.split(",")])
    options = _options(parts.query)
    return Target(
        path=None,
        host=hosts[0][0],
        port=hosts[0][1],
        user=user or unquote(given_user) or DEFAULT_USER,
        password=unquote(given_password) if colon else os.environ.get("PGPASSWORD"),
        database=database or unquote(parts.path.lstrip("/")) or DEFAULT_DATABASE,
        tls=TlsOptions(**{_TLS_NAMES[name]: value for name, value in options.items() if name in _TLS_NAMES}),
        hosts=hosts,
        session_attributes=_session_attributes(options.get("target_session_attrs", "any")),
        connect_timeout_s=_seconds(options.get("connect_timeout")),
        settings=tuple([(name, options[name]) for name in _SETTINGS if name in options]),
    )


def _host_and_port(text: str) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{text}")
        return parts.hostname or "127.0.0.1", parts.port or DEFAULT_PORT
    except ValueError as problem:
        raise errors.InterfaceError(f"invalid host or port in address: {problem}") from None


_TLS_NAMES = {"sslmode": "mode", "sslrootcert": "root_certificate", "sslcert": "certificate", "sslkey": "key"}
_SETTINGS = ("application_name", "options")
ADDRESS_OPTIONS = (*_TLS_NAMES, "target_session_attrs", "connect_timeout", *_SETTINGS)


def _options(query: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in ADDRESS_OPTIONS:
            raise errors.InterfaceError(
                f"an address takes no {name!r}: what may stand after ? is {', '.join(ADDRESS_OPTIONS)}"
            )
        found[name] = value
    return found


def _session_attributes(text: str) -> str:
    if text not in SESSION_ATTRIBUTES:
        raise errors.InterfaceError(
            f"target_session_attrs is one of {', '.join(SESSION_ATTRIBUTES)}, not {text!r}"
        )
    return text


def _seconds(text: str | None) -> float | None:
    try:
        found = None if text is None else float(text)
    except ValueError:
        raise errors.InterfaceError(f"connect_timeout is a number of seconds, not {text!r}") from None
    return found if found else None


def fits(settings: Mapping[str, str], attributes: str) -> bool:
    """Whether a server that reports these settings is 'any', 'read-write', 'read-only', 'primary' or 'standby'."""
    is_standby = settings.get("in_hot_standby") == "on"
    is_read_only = is_standby or settings.get("default_transaction_read_only") == "on"
    facts = {
        "read-write": not is_read_only,
        "read-only": is_read_only,
        "primary": not is_standby,
        "standby": is_standby,
    }
    return facts.get(attributes, True)


def reason(problem: BaseException) -> str:
    """Why a connection can't be made, in the same words whoever tried."""
    if isinstance(problem, OSError) and not isinstance(problem, ssl.SSLError) and (problem.errno or 0) > 0:
        return os.strerror(problem.errno or 0)
    return str(problem) or type(problem).__name__
