"""Builders of variables, session and transaction statements (grammar.lark's actions)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from skerry_engine.errors import SyntaxError
from skerry_engine.gql import tree
from skerry_engine.gql.source import Source

# --- variables of procedures and sessions ---------------------------------------------------------------------------


def _definition(kind: str) -> Callable[..., tree.VariableDefinition]:
    def build(
        _source: Source,
        position: int,
        variable: str,
        of: tree.ValueType | tree.GraphTypeSource | None,
        value: tree.GraphReference | tree.Procedure | tree.ObjectName | tree.Expr,
    ) -> tree.VariableDefinition:
        return tree.VariableDefinition(position, kind, variable, value, of)

    return build


def _session_parameter(kind: str) -> Callable[..., tree.SessionSetParameter]:
    def build(
        _source: Source,
        position: int,
        if_not_exists: bool,
        parameter: tree.Parameter,
        of: tree.ValueType | tree.GraphTypeSource | None,
        value: tree.GraphReference | tree.Procedure | tree.ObjectName | tree.Expr,
    ) -> tree.SessionSetParameter:
        definition = tree.VariableDefinition(parameter.position, kind, parameter.name, value, of)
        return tree.SessionSetParameter(position, definition, if_not_exists)

    return build


def _session_graph(if_not_exists: bool) -> Callable[..., tree.SessionSetParameter]:
    build = _session_parameter("graph")

    def build_graph(source: Source, position: int, *rest: object) -> tree.SessionSetParameter:
        return build(source, position, if_not_exists, *rest)

    return build_graph


def session_set_schema(_source: Source, position: int, schema: tree.SchemaName) -> tree.SessionSetSchema:
    return tree.SessionSetSchema(position, schema)


def session_set_graph(_source: Source, position: int, graph: tree.GraphReference) -> tree.SessionSetGraph:
    return tree.SessionSetGraph(position, graph)


def session_set_zone(_source: Source, position: int, zone: tree.Expr) -> tree.SessionSetTimeZone:
    return tree.SessionSetTimeZone(position, zone)


def session_reset(_source: Source, position: int, what: tuple[str, str] | None) -> tree.SessionReset:
    return tree.SessionReset(position, *(what or ("characteristics", "")))


def _reset(what: str) -> Callable[[Source, int], tuple[str, str]]:
    def build(_source: Source, _position: int) -> tuple[str, str]:
        return what, ""

    return build


def reset_parameter(_source: Source, _position: int, parameter: tree.Parameter) -> tuple[str, str]:
    return "parameter", parameter.name


def session_close(_source: Source, position: int) -> tree.SessionClose:
    return tree.SessionClose(position)


# --- transactions ---------------------------------------------------------------------------------------------------


def transaction_start(
    _source: Source, position: int, modes: dict[str, str | bool] | None
) -> tree.StartTransaction:
    said = modes or {}
    isolation, read_only, deferrable = said.get("isolation"), said.get("read_only"), said.get("deferrable")
    assert (
        not isinstance(isolation, bool) and not isinstance(read_only, str) and not isinstance(deferrable, str)
    )
    return tree.StartTransaction(position, isolation, read_only, deferrable)


def transaction_modes(
    _source: Source, position: int, *modes: tuple[str, str | bool]
) -> dict[str, str | bool]:
    said = dict(modes)
    if len(said) < len(modes):
        raise SyntaxError("a transaction's modes contradict or repeat each other", position=position)
    return said


def _mode(name: str, value: bool) -> Callable[[Source, int], tuple[str, bool]]:
    def build(_source: Source, _position: int) -> tuple[str, bool]:
        return name, value

    return build


def mode_isolation(_source: Source, _position: int, level: str) -> tuple[str, str]:
    return "isolation", level


def isolation_level(source: Source, _position: int, *indexes: int) -> str:
    level = " ".join([source.word(index) for index in indexes])
    return "repeatable read" if level == "snapshot" else level


def commit(_source: Source, position: int) -> tree.Commit:
    return tree.Commit(position)


def rollback(_source: Source, position: int) -> tree.Rollback:
    return tree.Rollback(position)


def rollback_to(_source: Source, position: int, name: str) -> tree.Rollback:
    return tree.Rollback(position, name)


def savepoint(_source: Source, position: int, name: str) -> tree.Savepoint:
    return tree.Savepoint(position, name)


def release(_source: Source, position: int, name: str) -> tree.ReleaseSavepoint:
    return tree.ReleaseSavepoint(position, name)


ACTIONS: Final[dict[str, Callable[..., object]]] = {
    "graph_definition": _definition("graph"),
    "table_definition": _definition("table"),
    "value_definition": _definition("value"),
    "session_set_value": _session_parameter("value"),
    "session_set_graph_value": _session_graph(False),
    "session_set_new_graph_value": _session_graph(True),
    "session_set_table_value": _session_parameter("table"),
    "session_set_schema": session_set_schema,
    "session_set_graph": session_set_graph,
    "session_set_zone": session_set_zone,
    "session_reset": session_reset,
    "reset_parameters": _reset("parameters"),
    "reset_characteristics": _reset("characteristics"),
    "reset_schema": _reset("schema"),
    "reset_graph": _reset("graph"),
    "reset_zone": _reset("time zone"),
    "reset_parameter": reset_parameter,
    "session_close": session_close,
    "transaction_start": transaction_start,
    "transaction_modes": transaction_modes,
    "mode_read_only": _mode("read_only", True),
    "mode_read_write": _mode("read_only", False),
    "mode_deferrable": _mode("deferrable", True),
    "mode_not_deferrable": _mode("deferrable", False),
    "mode_isolation": mode_isolation,
    "isolation_level": isolation_level,
    "commit": commit,
    "rollback": rollback,
    "rollback_to": rollback_to,
    "savepoint": savepoint,
    "release": release,
}
