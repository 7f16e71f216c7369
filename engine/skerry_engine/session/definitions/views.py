"""CREATE VIEW, and keeping views' texts true.

A view keeps its query twice: bound, for dependencies and for printing, and as text, which is bound anew
wherever the view is read.  The text is the printed form of the bound query with every name qualified, so
neither search_path nor a later table of the same name can change its meaning; renaming a table or column
prints it again (`with_views_renamed`).  Where the printed form does not read back as the same query,
the text stays as it was written.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence
from dataclasses import replace

from sqlglot import exp

from skerry_engine import errors
from skerry_engine.algebra import expressions as ex
from skerry_engine.algebra import queries as q
from skerry_engine.algebra.traversal import rewrite_all
from skerry_engine.catalog import changes, naming
from skerry_engine.catalog.catalog import Catalog, Database
from skerry_engine.catalog.definitions import DefinitionPrinter
from skerry_engine.catalog.graphs import PropertyGraph
from skerry_engine.catalog.objects import (
    CLASS_RELATION,
    Address,
    Column,
    MaterializedView,
    Schema,
    View,
    new_version,
)
from skerry_engine.catalog.search_path import SearchPath
from skerry_engine.session.definitions.binding import bind_view, view_references
from skerry_engine.session.definitions.change import change_catalog
from skerry_engine.session.definitions.context import DefinitionContext
from skerry_engine.session.definitions.names import as_kind, creation_schema
from skerry_engine.session.definitions.options import storage_options
from skerry_engine.session.definitions.waiting import lock_new_name, lock_relation
from skerry_engine.session.steps import Complete, Step
from skerry_engine.sql import statements as st
from skerry_engine.sql.bridge import parse_query
from skerry_engine.txn.modes import ACCESS_EXCLUSIVE, ACCESS_SHARE
from skerry_engine.values.types import format_type, type_info

NO_PATH = SearchPath((), 0, ())
_LABEL = re.compile(r' AS ("(?:[^"]|"")+"|\w+)')


def create_view(context: DefinitionContext, statement: st.CreateView) -> Generator[Step, object, Complete]:
    """CREATE [OR REPLACE] VIEW.  Raises DuplicateTable, WrongObjectType, InvalidTableDefinition,
    NotSupportedError."""
    if statement.check_option:
        raise errors.NotSupportedError("WITH CHECK OPTION is supported only on automatically updatable views")
    if statement.query.tree.find(exp.Insert, exp.Update, exp.Delete) is not None:
        raise errors.NotSupportedError("views must not contain data-modifying statements in WITH")
    options = storage_options(statement.options)
    schema, persistence = _place(context, statement)
    name = naming.truncate_name(statement.name.name)
    yield from lock_new_name(context, schema.oid, name)
    old = context.database.relation_named(schema.oid, name)
    if old is not None:
        if not statement.or_replace:
            raise errors.DuplicateTable(f'relation "{name}" already exists')
        yield from lock_relation(context, as_kind(old, View, "view").oid, ACCESS_EXCLUSIVE)
    query, references = yield from bound_and_locked(context, statement.query)
    view = View(
        oid=context.catalog.oids.allocate() if old is None else old.oid,
        name=name,
        schema_oid=schema.oid,
        owner_oid=context.user_oid if old is None else old.owner_oid,
        persistence=persistence,
        columns=view_columns(
            query, statement.columns, "CREATE VIEW specifies more column names than columns"
        ),
        source=kept_source(context, statement.query, query),
        query=query,
        references=references,
        options=options,
    )
    _enter(context, view, old if isinstance(old, View) else None)
    return Complete("CREATE VIEW")


def _place(context: DefinitionContext, statement: st.CreateView) -> tuple[Schema, str]:
    """(the view's schema, its persistence): a view of something temporary is temporary too."""
    wanted = statement.persistence
    if wanted != "t" and _reads_temporary(context, statement.query):
        context.notice(f'view "{statement.name.name}" will be a temporary view')
        wanted = "t"
    schema = creation_schema(context, statement.name, wanted)
    return schema, "t" if schema.name == context.temporary_schema_name else wanted


def _reads_temporary(context: DefinitionContext, source: st.SourceQuery) -> bool:
    return reads_temporary(context, view_references(context, bind_view(context, source)))


def reads_temporary(context: DefinitionContext, references: Sequence[Address]) -> bool:
    """Whether something temporary is among what is read."""
    relations = (context.database.relation(address.oid) for address in references)
    return any(relation is not None and relation.is_temporary for relation in relations)


def bound_and_locked(
    context: DefinitionContext, source: st.SourceQuery
) -> Generator[Step, object, tuple[q.Query, tuple[Address, ...]]]:
    """The bound query and what it reads, which is locked so that it stays."""
    while True:
        before = context.database
        query = bind_view(context, source)
        references = view_references(context, query)
        for oid in sorted({address.oid for address in references}):
            yield from lock_relation(context, oid, ACCESS_SHARE)
        if context.database is before:
            return query, references


def view_columns(query: q.Query, names: Sequence[str], too_many: str) -> tuple[Column, ...]:
    """A view's columns; `too_many` is what to say where there are more names."""
    if len(names) > len(query.columns):
        raise errors.SyntaxError(too_many)
    found: list[Column] = []
    for number, output in enumerate(query.columns):
        name = names[number] if number < len(names) else output.name
        info = type_info(output.type.oid)
        if info.is_pseudo:
            raise errors.InvalidTableDefinition(
                f'column "{name}" has pseudo-type {format_type(output.type.oid)}'
            )
        found.append(Column(name, number + 1, number, output.type, collation_oid=info.collation_oid))
    return tuple(found)


def _enter(context: DefinitionContext, view: View, old: View | None) -> None:
    database_oid = context.database_oid
    if old is not None:
        kept = replace(
            view, rule_oid=old.rule_oid, row_type_oid=old.row_type_oid, row_array_oid=old.row_array_oid
        )
        change_catalog(context, lambda catalog: changes.replace_view(catalog, database_oid, kept))
        return
    allocate = context.catalog.oids.allocate
    made = replace(view, row_array_oid=allocate(), row_type_oid=allocate(), rule_oid=allocate())
    change_catalog(context, lambda catalog: changes.create_view(catalog, database_oid, made))


def check_views_of(context: DefinitionContext, graph: PropertyGraph) -> None:
    """Raise DependentObjectsStillExist if a view can't read the graph any more as it has been altered."""
    address = Address(CLASS_RELATION, graph.oid)
    for view in context.database.with_queries():
        if address not in view.references:
            continue
        try:
            query = bind_view(context, st.SourceQuery(view.source, parse_query(view.source)))
        except errors.DatabaseError as error:
            raise _still_read(graph, view, error.message) from error
        for column, output in zip(view.columns, query.columns, strict=True):
            if column.type.oid != output.type.oid:
                shown = format_type(output.type.oid)
                raise _still_read(graph, view, f'column "{column.name}" would be of type {shown}')


def _still_read(
    graph: PropertyGraph, view: View | MaterializedView, why: str
) -> errors.DependentObjectsStillExist:
    return errors.DependentObjectsStillExist(
        f"cannot alter property graph {graph.name} because view {view.name} depends on it", detail=why
    )


# --- texts --------------------------------------------------------------------------------------------------


def kept_source(context: DefinitionContext, written: st.SourceQuery, query: q.Query) -> str:
    """The text that the view keeps: printed with qualified names if that reads back, else as written."""
    database = context.database
    printed = _printed(database, query)
    if printed is None:
        return written.text
    try:
        again = bind_view(context, st.SourceQuery(printed, parse_query(printed)))
    except errors.DatabaseError:
        return written.text
    same_columns = [c.type for c in again.columns] == [c.type for c in query.columns]
    texts = [_without_labels(_printed(database, _flat(each)) or "") for each in (query, again)]
    reads_back = texts[0] == texts[1]
    return printed if same_columns and reads_back else written.text


def _flat(query: q.Query) -> q.Query:
    """The query with the parentheses gone that AND within AND and OR within OR may have or not."""

    def flatten(node: object) -> object | None:
        if not isinstance(node, (ex.And, ex.Or)):
            return None
        args: list[ex.Expr] = []
        for arg in node.args:
            flat = rewrite_all(arg, flatten)
            args.extend(
                flat.args if isinstance(flat, (ex.And, ex.Or)) and type(flat) is type(node) else (flat,)
            )
        return replace(node, args=tuple(args))

    return rewrite_all(query, flatten)


def _without_labels(text: str) -> str:
    """The text without names of outputs: those of a set operation's second query get lost,
    and mean nothing."""
    return _LABEL.sub("", text)


def _printed(database: Database, query: q.Query) -> str | None:
    """The query as text in which every name is qualified; None if it can't be printed."""
    view = View(oid=0, name="", schema_oid=0, columns=(), source="", query=query)
    text = DefinitionPrinter(database, NO_PATH).view(view).strip().rstrip(";").rstrip()
    return text or None


def _with_new_names(database: Database, query: q.Query) -> q.Query:
    """The query with its scans named as their tables are now: what printing takes for the alias."""

    def rename(node: object) -> object | None:
        if not isinstance(node, q.Scan):
            return None
        table = database.relation(node.table_oid)
        return None if table is None or table.name == node.name else replace(node, name=table.name)

    return rewrite_all(query, rename)


def with_views_renamed(before: Catalog, after: Catalog, database_oid: int) -> Catalog:
    """`after`, with the texts of views printed anew where a change of names since `before` touches them."""
    old, new = before.database(database_oid), after.database(database_oid)
    changed: list[View | MaterializedView] = []
    for view in new.with_queries():
        if not isinstance(view.query, q.Query):
            continue
        query = _with_new_names(new, view.query)
        source = _printed(new, query) if _printed(old, view.query) == view.source else view.source
        if source is not None and (source != view.source or query is not view.query):
            changed.append(replace(view, source=source, query=query, version=new_version()))
    return after.with_database(new.with_relations(changed)) if changed else after
