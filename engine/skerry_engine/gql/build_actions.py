"""All builders by the name that grammar.lark calls them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from skerry_engine.gql import (
    build_catalog,
    build_expressions,
    build_names,
    build_patterns,
    build_sessions,
    build_statements,
)

ACTIONS: Final[dict[str, Callable[..., object]]] = {
    **build_expressions.ACTIONS,
    **build_patterns.ACTIONS,
    **build_statements.ACTIONS,
    **build_names.ACTIONS,
    **build_catalog.ACTIONS,
    **build_sessions.ACTIONS,
}
