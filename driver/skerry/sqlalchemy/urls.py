"""From SQLAlchemy's URLs to the arguments of `skerry.connect`.

    skerry://ann:secret@db.example:5433/shop?sslmode=require&timeout=5&search_path=app
    └──────────────────────── address ─────────────────────┘ └ keyword ┘└── setting of the session

What the driver's own addresses may say after `?` stays in the address (TLS, target_session_attrs, options=-c ...); what
`skerry.connect` has as a keyword is one; any other name is a setting of the session.  Several servers are written as
SQLAlchemy has them: `skerry://ann@/shop?host=one:5433&host=two:5434`.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from sqlalchemy import exc
from sqlalchemy.engine import URL

import skerry
from skerry.targets import ADDRESS_OPTIONS, MEMORY, SCHEME

ConnectArgs = tuple[list[Any], dict[str, Any]]

_CONVERTERS: dict[str, type] = {
    "timeout": float,
    "connect_timeout": float,
    "retention": float,
    "retention_bytes": int,
    "memory_limit": int,
}
_KEYWORDS = frozenset(inspect.signature(skerry.connect).parameters) - {"target", "options"}
_REFUSED = {
    "isolation_level",
    "autocommit",
    "read_only",
    "deferrable",
}  # an Engine has its own ways to say these


def network_arguments(url: URL) -> ConnectArgs:
    """The arguments for a server; raises ArgumentError for a query that has no meaning."""
    query = {name: value for name, value in url.query.items() if name != "host"}
    kept = [(name, _one(name, query.pop(name))) for name in ADDRESS_OPTIONS if name in query]
    address = f"{SCHEME}://{_who(url)}{_where(url)}"
    if url.database:
        address += "/" + quote(url.database, safe="")
    if kept:
        address += "?" + urlencode(kept, quote_via=quote)
    return [address], _keywords(query)


def _who(url: URL) -> str:
    if url.username is None and url.password is None:
        return ""
    password = "" if url.password is None else ":" + quote(url.password, safe="")
    return f"{quote(url.username or '', safe='')}{password}@"


def _where(url: URL) -> str:
    several = url.query.get("host")
    if several is not None:
        if url.host:
            raise exc.ArgumentError("the URL names servers twice: before the database and as host=")
        return several if isinstance(several, str) else ",".join(several)
    host = url.host or ""
    return (f"[{host}]" if ":" in host else host) + ("" if url.port is None else f":{url.port}")


def embedded_arguments(url: URL) -> ConnectArgs:
    """The arguments for a database in this process; raises ArgumentError for a URL that names a server."""
    if url.host or url.port or url.password:
        raise exc.ArgumentError(
            "an embedded database has no host, port or password: skerry+embedded:///relative/path, "
            "skerry+embedded:////absolute/path or skerry+embedded:// (in memory)"
        )
    keywords = _keywords(url.query)
    if url.username:
        keywords["user"] = url.username
    return [url.database or MEMORY], keywords


def _keywords(query: Mapping[str, str | tuple[str, ...]]) -> dict[str, Any]:
    keywords: dict[str, Any] = {}
    settings: dict[str, str] = {}
    for name, given in query.items():
        value = _one(name, given)
        if name in _REFUSED:
            raise exc.ArgumentError(
                f"{name} is an argument of create_engine or an execution option, not of the URL"
            )
        if name in _KEYWORDS:
            keywords[name] = _converted(name, value)
        else:
            settings[name] = value
    if settings:
        keywords["options"] = settings
    return keywords


def _one(name: str, value: str | tuple[str, ...]) -> str:
    if not isinstance(value, str):
        raise exc.ArgumentError(f"{name} is given more than once in the URL")
    return value


def _converted(name: str, value: str) -> object:
    convert = _CONVERTERS.get(name, str)
    try:
        return convert(value)
    except ValueError:
        raise exc.ArgumentError(f"{name} in the URL is not a number: {value!r}") from None
