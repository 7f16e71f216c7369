"""From objects to statements.

Each function gives complete statements, one item each, without the newline behind the semicolon.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from skerry.dump.model import Column, Constraint, Contents, Schema, SequenceObject, Table, UserType, View

PUBLIC = "public"
PUBLIC_COMMENT = "standard public schema"

SETTINGS = """SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;
SET default_tablespace = '';
SET default_table_access_method = heap;"""


def literal(text: str) -> str:
    """A string constant, as read with standard_conforming_strings on."""
    return "'" + text.replace("'", "''") + "'"


def before_data(contents: Contents) -> Iterator[str]:
    """Schemas, types, sequences, tables."""
    for schema in contents.schemas:
        yield from _schema(schema)
    for user_type in contents.types:
        yield user_type.definition
        yield from _comment("TYPE", user_type.name, user_type.comment)
        yield from user_type.later
    for sequence in contents.sequences:
        if not sequence.is_identity:
            yield _create_sequence(sequence)
            yield from _comment("SEQUENCE", sequence.name, sequence.comment)
    for table in contents.tables:
        yield from _table(table)
    yield from _owners(contents)


def after_data(contents: Contents) -> Iterator[str]:
    """Checks that are not valid, keys, indexes, foreign keys."""
    for kinds in ("c", "pu"):
        for table in contents.tables:
            for constraint in table.constraints:
                if constraint.kind in kinds and not is_inline(constraint):
                    yield from _add_constraint(table, constraint)
    for table in contents.tables:
        yield from _indexes(table)
    for table in contents.tables:
        for constraint in table.constraints:
            if constraint.kind == "f":
                yield from _add_constraint(table, constraint)


def graphs(contents: Contents) -> Iterator[str]:
    """Graph types, and graphs without elements."""
    for graph_type in contents.graph_types:
        yield f"{graph_type.definition};"
    for graph in contents.native_graphs:
        if graph.definition:
            yield graph.definition


def after_elements(contents: Contents) -> Iterator[str]:
    """Constraints and indexes of graphs, graphs over tables, views (materialized ones still empty)."""
    for graph in contents.native_graphs:
        yield from graph.parts
    for mapped in contents.graphs:
        yield f"{mapped.definition};"
        yield from _comment("PROPERTY GRAPH", mapped.name, mapped.comment)
    for view in in_order_of_use(contents.views):
        yield from _view(view)


def refreshed(contents: Contents) -> Iterator[str]:
    """The rows of materialized views, those first that others read."""
    for view in in_order_of_use(contents.views):
        if view.is_materialized and view.is_populated:
            yield f"REFRESH MATERIALIZED VIEW {view.name};"


def without_graphs(contents: Contents) -> tuple[Contents, list[str]]:
    """The same without graphs and what reads them; warnings about views that go with them."""
    gone: set[int] = set()
    for view in in_order_of_use(contents.views):
        if view.reads_graph or view.reads & gone:
            gone.add(view.oid)
    warnings = [f"{view.name} is left out: it reads a graph" for view in contents.views if view.oid in gone]
    views = [view for view in contents.views if view.oid not in gone]
    return replace(contents, views=views, graphs=[], graph_types=[], native_graphs=[]), warnings


def set_values(sequences: Iterable[SequenceObject]) -> Iterator[str]:
    """The values of sequences."""
    for sequence in sequences:
        called = "true" if sequence.is_called else "false"
        yield f"SELECT pg_catalog.setval({literal(sequence.name)}, {sequence.last_value}, {called});"


def _comment(kind: str, name: str, comment: str | None) -> Iterator[str]:
    if comment is not None:
        yield f"COMMENT ON {kind} {name} IS {literal(comment)};"


def _column_comments(relation: Table | View) -> Iterator[str]:
    for column in relation.columns:
        yield from _comment("COLUMN", f"{relation.name}.{column.name}", column.comment)


def _schema(schema: Schema) -> Iterator[str]:
    """`public` is there already, with its comment."""
    if schema.bare != PUBLIC:
        yield f"CREATE SCHEMA {schema.name};"
        yield from _comment("SCHEMA", schema.name, schema.comment)
    elif schema.comment != PUBLIC_COMMENT:
        yield f"COMMENT ON SCHEMA {schema.name} IS {literal(schema.comment) if schema.comment else 'NULL'};"


def enum_definition(name: str, labels: Sequence[str]) -> str:
    """CREATE TYPE ... AS ENUM."""
    listed = ",".join(f"\n    {literal(label)}" for label in labels)
    return f"CREATE TYPE {name} AS ENUM ({listed}\n);"


def domain_definition(name: str, parts: Sequence[Any], checks: Sequence[str]) -> str:
    """CREATE DOMAIN.  `parts`: the base type, collation, default, whether NOT NULL."""
    base, collation, default, not_null = parts
    text = f"CREATE DOMAIN {name} AS {base}"
    if collation:
        text += f" COLLATE {collation}"
    if default is not None:
        text += f" DEFAULT {default}"
    if not_null:
        text += " NOT NULL"
    return text + "".join(f"\n    {check}" for check in checks) + ";"


def in_order_of_bases(types: Sequence[UserType]) -> list[UserType]:
    """A type behind those that it uses; among others the order stays."""
    by_oid = {each.oid: each for each in types}
    done: dict[int, UserType] = {}
    for each in types:
        path = [each]
        while path:
            waiting = [by_oid[oid] for oid in path[-1].uses if oid in by_oid and oid not in done]
            if waiting:
                path.append(waiting[0])
            else:
                done.setdefault(path[-1].oid, path[-1])
                path.pop()
    return list(done.values())


# --- sequences --------------------------------------------------------------------------------------------


def _sequence_options(sequence: SequenceObject) -> str:
    cycle = " CYCLE" if sequence.is_cyclic else ""
    return (
        f"START WITH {sequence.start} INCREMENT BY {sequence.increment} MINVALUE {sequence.minimum}"
        f" MAXVALUE {sequence.maximum} CACHE {sequence.cache}{cycle}"
    )


def _create_sequence(sequence: SequenceObject) -> str:
    unlogged = "UNLOGGED " if sequence.is_unlogged else ""
    return f"CREATE {unlogged}SEQUENCE {sequence.name} AS {sequence.type} {_sequence_options(sequence)};"


def _owners(contents: Contents) -> Iterator[str]:
    names = {table.oid: table.name for table in contents.tables}
    for sequence in contents.sequences:
        if not sequence.is_identity and sequence.owner_oid in names:
            column = f"{names[sequence.owner_oid]}.{sequence.owner_column}"
            yield f"ALTER SEQUENCE {sequence.name} OWNED BY {column};"


# --- tables -----------------------------------------------------------------------------------------------


def is_inline(constraint: Constraint) -> bool:
    """Whether it is part of CREATE TABLE."""
    return constraint.kind == "c" and constraint.is_valid


def _table(table: Table) -> Iterator[str]:
    elements = [_column(column, table) for column in table.columns]
    elements += [f"CONSTRAINT {c.name} {c.definition}" for c in table.constraints if is_inline(c)]
    body = "(\n    " + ",\n    ".join(elements) + "\n)" if elements else "()"
    unlogged = "UNLOGGED " if table.is_unlogged else ""
    yield f"CREATE {unlogged}TABLE {table.name} {body}{_options(table.options)};"
    yield from _comment("TABLE", table.name, table.comment)
    yield from _column_comments(table)
    for constraint in table.constraints:
        if is_inline(constraint):
            yield from _constraint_comment(table, constraint)
    for column in table.columns:
        if column.statistics >= 0:
            yield (
                f"ALTER TABLE ONLY {table.name} ALTER COLUMN {column.name} SET STATISTICS {column.statistics};"
            )
        sequence = table.identities.get(column.name)
        if sequence is not None:
            yield from _comment("SEQUENCE", sequence.name, sequence.comment)


def _column(column: Column, table: Table) -> str:
    text = f"{column.name} {column.type}"
    if column.collation:
        text += f" COLLATE {column.collation}"
    if column.generated:
        text += f" GENERATED ALWAYS AS ({column.default}) STORED"
    elif column.identity:
        text += f" GENERATED {'ALWAYS' if column.identity == 'a' else 'BY DEFAULT'} AS IDENTITY"
        sequence = table.identities[column.name]
        text += f" (SEQUENCE NAME {sequence.name} {_sequence_options(sequence)})"
    elif column.default is not None:
        text += f" DEFAULT {column.default}"
    return f"{text} NOT NULL" if column.not_null else text


def _options(options: Sequence[str]) -> str:
    """Storage parameters, from `name=value`."""
    if not options:
        return ""
    pairs = (option.split("=", 1) for option in options)
    return f" WITH ({', '.join(f'{name}={literal(value)}' for name, value in pairs)})"


def _add_constraint(table: Table, constraint: Constraint) -> Iterator[str]:
    yield f"ALTER TABLE ONLY {table.name} ADD CONSTRAINT {constraint.name} {constraint.definition};"
    yield from _constraint_comment(table, constraint)
    yield from _comment("INDEX", constraint.index_name, constraint.index_comment)


def _constraint_comment(table: Table, constraint: Constraint) -> Iterator[str]:
    if constraint.comment is not None:
        yield f"COMMENT ON CONSTRAINT {constraint.name} ON {table.name} IS {literal(constraint.comment)};"


def _indexes(table: Table | View) -> Iterator[str]:
    for index in table.indexes:
        yield f"{index.definition};"
        yield from _comment("INDEX", index.name, index.comment)


# --- views ------------------------------------------------------------------------------------------------


def _view(view: View) -> Iterator[str]:
    options = [option for option in view.options if not option.startswith("check_option=")]
    checks = [option.partition("=")[2] for option in view.options if option.startswith("check_option=")]
    query = view.query.rstrip().rstrip(";")
    check = f"\n WITH {checks[0].upper()} CHECK OPTION" if checks else ""
    kind = "MATERIALIZED VIEW" if view.is_materialized else "VIEW"
    ending = "\n  WITH NO DATA" if view.is_materialized else check
    yield f"CREATE {kind} {view.name}{_options(options)} AS\n{query}{ending};"
    yield from _comment(kind, view.name, view.comment)
    yield from _column_comments(view)
    yield from _indexes(view)
    for column in view.columns:
        if column.default is not None:
            yield f"ALTER TABLE ONLY {view.name} ALTER COLUMN {column.name} SET DEFAULT {column.default};"


def in_order_of_use(views: Sequence[View]) -> list[View]:
    """What is read stands before what reads it; among equals the order stays."""
    by_oid = {view.oid: view for view in views}
    done: dict[int, View] = {}
    for view in views:
        path = [view]
        while path:
            last = path[-1]
            waiting = [by_oid[oid] for oid in last.reads if oid in by_oid and oid not in done]
            waiting = [each for each in waiting if each not in path]
            if waiting:
                path.append(min(waiting, key=lambda each: each.sort_key))
            else:
                done.setdefault(last.oid, last)
                path.pop()
    return list(done.values())
