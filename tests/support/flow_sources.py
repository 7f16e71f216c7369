"""Flows made from text, with their source where `outline` finds it."""

from __future__ import annotations

import linecache
from typing import Any

from skerry import flow
from skerry.flow import Flow

PRELUDE = {name: getattr(flow, name) for name in ("each", "flow", "stage", "resource", "no_tx", "FlowError")}


def namespace_of(source: str, name: str, database: object) -> dict[str, Any]:
    """What a text of Python defines; it has `db`, and what `skerry.flow` has, at hand."""
    filename = f"<flows: {name}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    namespace: dict[str, Any] = {"__name__": "flows", "db": database, **PRELUDE}
    exec(compile(source, filename, "exec"), namespace)
    return namespace


def flow_of(source: str, name: str, database: object) -> Flow[..., Any]:
    """The flow that a text defines last."""
    flows = [value for value in namespace_of(source, name, database).values() if isinstance(value, Flow)]
    return flows[-1]
