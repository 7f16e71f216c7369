"""Which executor runs which statement."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from skerry_engine import errors
from skerry_engine.session.definitions.context import DefinitionContext
from skerry_engine.session.definitions.drop import drop
from skerry_engine.session.definitions.indexes import create_index, reindex
from skerry_engine.session.definitions.tables import create_table, create_table_as
from skerry_engine.session.steps import Complete, Step
from skerry_engine.sql import statements as st

Executor = Callable[[DefinitionContext, Any], Generator[Step, object, Complete]]

_EXECUTORS: dict[type[st.Statement], Executor] = {
    st.CreateTable: create_table,
    st.CreateTableAs: create_table_as,
    st.CreateIndex: create_index,
    st.Reindex: reindex,
    st.Drop: drop,
}


def is_definition(statement: st.Statement) -> bool:
    """Whether `execute_definition` runs the statement."""
    return type(statement) in _EXECUTORS or isinstance(statement, st.NotSupported)


def execute_definition(
    statement: st.Statement, context: DefinitionContext
) -> Generator[Step, object, Complete]:
    """Run a definition; its result is the command's tag.  Raises what is wrong with it; then abandon the statement."""
    if isinstance(statement, st.NotSupported):
        raise errors.NotSupportedError(f"{statement.what} is not supported", position=statement.position)
    return (yield from _EXECUTORS[type(statement)](context, statement))
