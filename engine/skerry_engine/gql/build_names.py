"""Builders of names, references and types (grammar.lark's actions)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from skerry_engine.errors import SyntaxError
from skerry_engine.gql import tree
from skerry_engine.gql.source import Source

# --- names --------------------------------------------------------------------------------------------------------


def dotted_name(_source: Source, position: int, parts: tuple[str, ...]) -> tree.ObjectName:
    return _named(position, "named", parts[:-1], parts[-1])


def _named(position: int, kind: str, path: tuple[str, ...], name: str) -> tree.ObjectName:
    schema = tree.SchemaName(position, kind, path) if path or kind != "named" else None
    return tree.ObjectName(position, schema, name)


def absolute_name(
    _source: Source, position: int, path: tuple[str, ...], more: tuple[str, ...] | None
) -> tree.ObjectName:
    parts = path + (more or ())
    schema = tree.SchemaName(position, "named", parts[:-1])
    return tree.ObjectName(position, schema, parts[-1])


def relative_name(
    _source: Source, position: int, up: int, path: tuple[str, ...], more: tuple[str, ...] | None
) -> tree.ObjectName:
    parts = path + (more or ())
    return tree.ObjectName(
        position, tree.SchemaName(position, "relative", ("..",) * up + parts[:-1]), parts[-1]
    )


def _within(kind: str) -> Callable[[Source, int, tuple[str, ...]], tree.ObjectName]:
    def build(_source: Source, position: int, parts: tuple[str, ...]) -> tree.ObjectName:
        return tree.ObjectName(position, tree.SchemaName(position, kind, parts[:-1]), parts[-1])

    return build


def dotted_schema(_source: Source, position: int, parts: tuple[str, ...]) -> tree.SchemaName:
    return tree.SchemaName(position, "named", parts)


def absolute_schema(_source: Source, position: int, path: tuple[str, ...] | None) -> tree.SchemaName:
    return tree.SchemaName(position, "named", path or ())


def relative_schema(_source: Source, position: int, up: int, path: tuple[str, ...] | None) -> tree.SchemaName:
    return tree.SchemaName(position, "relative", ("..",) * up + (path or ()))


def _schema(kind: str) -> Callable[[Source, int], tree.SchemaName]:
    def build(_source: Source, position: int) -> tree.SchemaName:
        return tree.SchemaName(position, kind)

    return build


def up(_source: Source, _position: int) -> int:
    return 1


def further_up(_source: Source, _position: int, count: int) -> int:
    return count + 1


def named_graph(_source: Source, position: int, name: tree.ObjectName) -> tree.GraphReference:
    return tree.GraphReference(position, "named", name)


def _graph(kind: str) -> Callable[[Source, int], tree.GraphReference]:
    def build(_source: Source, position: int) -> tree.GraphReference:
        return tree.GraphReference(position, kind)

    return build


def parameter_graph(source: Source, position: int, index: int) -> tree.GraphReference:
    return tree.GraphReference(position, "parameter", None, source.tokens.values[index])


# --- types --------------------------------------------------------------------------------------------------------


def words(_source: Source, _position: int, word: str) -> str:
    return word.lower()


def more_words(_source: Source, _position: int, before: str, word: str) -> str:
    return f"{before} {word.lower()}"


def simple_type(source: Source, position: int, name: str, *lengths: int | None) -> tree.SimpleType:
    return tree.SimpleType(position, name, tuple([source.integer(n) for n in lengths if n is not None]))


def zoned_type(source: Source, position: int, name: str, *rest: int | str) -> tree.SimpleType:
    *precision, zone = rest
    return simple_type(source, position, f"{name} {zone}", *[n for n in precision if isinstance(n, int)])


def zone(source: Source, _position: int, *indexes: int) -> str:
    return " ".join([source.word(index) for index in indexes])


def duration_type(_source: Source, position: int, name: str, first: str, last: str) -> tree.SimpleType:
    qualifier = f"{first.lower()} to {last.lower()}"
    if name != "duration" or qualifier not in ("year to month", "day to second"):
        raise SyntaxError(
            f"{name} ({qualifier}) is no type: there are DURATION (YEAR TO MONTH) and (DAY TO SECOND)",
            position=position,
        )
    return tree.SimpleType(position, f"duration ({qualifier})")


def _fixed_type(name: str) -> Callable[[Source, int], tree.SimpleType]:
    def build(_source: Source, position: int) -> tree.SimpleType:
        return tree.SimpleType(position, name)

    return build


def any_of_type(_source: Source, position: int, of: tree.ValueType) -> tree.UnionType:
    return tree.UnionType(position, of.alternatives if isinstance(of, tree.UnionType) else (of,))


def union_type(_source: Source, position: int, *alternatives: tree.ValueType) -> tree.UnionType:
    return tree.UnionType(position, alternatives)


def list_type(
    _source: Source, position: int, element: tree.ValueType, max_length: int | None
) -> tree.ListType:
    return tree.ListType(position, element, max_length)


def any_list_type(_source: Source, position: int, max_length: int | None) -> tree.ListType:
    return tree.ListType(position, None, max_length)


def max_length(source: Source, _position: int, index: int) -> int:
    return source.integer(index)


def any_record_type(_source: Source, position: int) -> tree.RecordType:
    return tree.RecordType(position, None)


def record_type(_source: Source, position: int, fields: tuple[tree.FieldType, ...] | None) -> tree.RecordType:
    return tree.RecordType(position, fields or ())


def field_type(_source: Source, position: int, name: str, of: tree.ValueType) -> tree.FieldType:
    return tree.FieldType(position, name, of)


def not_null(_source: Source, _position: int, of: tree.ValueType) -> tree.ValueType:
    assert isinstance(of, (tree.SimpleType, tree.ListType, tree.RecordType, tree.UnionType))
    return replace(of, not_null=True)


def table_type(_source: Source, position: int, fields: tuple[tree.FieldType, ...]) -> tree.RecordType:
    return tree.RecordType(position, fields)


ACTIONS: Final[dict[str, Callable[..., object]]] = {
    "dotted_name": dotted_name,
    "absolute_name": absolute_name,
    "relative_name": relative_name,
    "current_schema_name": _within("current"),
    "home_schema_name": _within("home"),
    "dotted_schema": dotted_schema,
    "absolute_schema": absolute_schema,
    "relative_schema": relative_schema,
    "current_schema": _schema("current"),
    "home_schema": _schema("home"),
    "up": up,
    "further_up": further_up,
    "named_graph": named_graph,
    "current_graph": _graph("current"),
    "home_graph": _graph("home"),
    "parameter_graph": parameter_graph,
    "words": words,
    "more_words": more_words,
    "simple_type": simple_type,
    "zoned_type": zoned_type,
    "zone": zone,
    "duration_type": duration_type,
    "null_type": _fixed_type("null"),
    "any_type": _fixed_type("any"),
    "property_value_type": _fixed_type("property value"),
    "any_of_type": any_of_type,
    "union_type": union_type,
    "list_type": list_type,
    "any_list_type": any_list_type,
    "max_length": max_length,
    "any_record_type": any_record_type,
    "record_type": record_type,
    "field_type": field_type,
    "not_null": not_null,
    "table_type": table_type,
}
