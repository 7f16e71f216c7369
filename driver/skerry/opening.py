"""From what `connect`, `open` and pools are told to a database that sessions can be opened on."""

from __future__ import annotations

import os

from skerry.backend import Source
from skerry.isolation import milliseconds
from skerry.network import NetworkSource
from skerry.targets import EngineOptions, parse_target


def open_source(
    target: str | os.PathLike[str],
    user: str | None,
    database: str | None,
    timeout_s: float | None,
    connect_timeout_s: float | None,
    options: dict[str, str] | None,
    engine_options: EngineOptions | None = None,
) -> Source:
    """A database in this process, or a server's."""
    address = parse_target(target, user, database)
    settings = settings_of(timeout_s, options)
    if address.path is None:
        if engine_options is not None:
            engine_options.refuse_for_server()
        return NetworkSource(address, settings, timeout_s if connect_timeout_s is None else connect_timeout_s)
    from skerry.embedded import (
        EmbeddedSource,  # the engine is imported only when a database is opened in-process
    )

    return EmbeddedSource(address, settings, engine_options or EngineOptions())


def settings_of(timeout_s: float | None, options: dict[str, str] | None) -> dict[str, str]:
    """The settings of sessions whose statements may take so long."""
    settings = dict(options or {})
    if timeout_s is not None:
        settings.setdefault("statement_timeout", str(milliseconds(timeout_s)))
    return settings
