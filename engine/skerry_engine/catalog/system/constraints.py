"""Rows of pg_constraint, pg_depend, pg_description, pg_rewrite: what hangs on relations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from skerry_engine.catalog.catalog import Database
from skerry_engine.catalog.dependencies import Edge, edges
from skerry_engine.catalog.graphs import ElementConstraint, PropertyIndex
from skerry_engine.catalog.objects import (
    CLASS_CONSTRAINT,
    CLASS_RELATION,
    CLASS_REWRITE,
    CLASS_TYPE,
    FIRST_USER_OID,
    Address,
    Constraint,
    MaterializedView,
    Table,
    View,
)
from skerry_engine.catalog.system.context import SystemContext
from skerry_engine.catalog.system.extension import OWN_EXTENSION, own_members
from skerry_engine.catalog.system.layout import Row, layout
from skerry_engine.catalog.system.node_text import check_text, rule_text
from skerry_engine.catalog.system.registry import database_rows_of, rows_of
from skerry_engine.catalog.user_types import CompositeType, DomainType, domain_constraints
from skerry_engine.functions.operators import find_operator

CONSTRAINT = layout("pg_constraint")
DEPEND = layout("pg_depend")
DESCRIPTION = layout("pg_description")
SHARED_DESCRIPTION = layout("pg_shdescription")
REWRITE = layout("pg_rewrite")


@database_rows_of("pg_constraint")
def constraint_rows(database: Database) -> list[Row]:
    return [
        _constraint_row(database, table, c) for table in database.listed(Table) for c in table.constraints
    ] + [_domain_row(domain, constraint) for domain, constraint in domain_constraints(database).values()]


def _domain_row(domain: DomainType, constraint: Constraint) -> Row:
    return CONSTRAINT.row(
        oid=constraint.oid,
        conname=constraint.name,
        connamespace=domain.schema_oid,
        contype="c",
        convalidated=constraint.validated,
        contypid=domain.oid,
        confupdtype=" ",
        confdeltype=" ",
        confmatchtype=" ",
        conislocal=True,
        conbin=check_text(constraint.oid),
    )


def _constraint_row(database: Database, table: Table, constraint: Constraint) -> Row:
    is_foreign = constraint.kind == "f"
    values: dict[str, object] = {
        "oid": constraint.oid,
        "conname": constraint.name,
        "connamespace": table.schema_oid,
        "contype": constraint.kind,
        "condeferrable": constraint.deferrable,
        "condeferred": constraint.initially_deferred,
        "convalidated": constraint.validated,
        "conrelid": table.oid,
        "conindid": constraint.index_oid,
        "confupdtype": constraint.on_update if is_foreign else " ",
        "confdeltype": constraint.on_delete if is_foreign else " ",
        "confmatchtype": constraint.match if is_foreign else " ",
        "conislocal": True,
        "connoinherit": constraint.kind != "c" or constraint.no_inherit,
        "conkey": constraint.columns or None,
    }
    if is_foreign:
        values.update(_foreign_key_values(database, table, constraint))
    if constraint.check is not None:
        values["conbin"] = check_text(constraint.oid)
    return CONSTRAINT.row(**values)


def _foreign_key_values(database: Database, table: Table, constraint: Constraint) -> dict[str, object]:
    parent = database.table(constraint.referenced_table_oid)
    child_types = [table.column(attnum).type.oid for attnum in constraint.columns]
    parent_types = [parent.column(attnum).type.oid for attnum in constraint.referenced_columns]
    pairs = list(zip(parent_types, child_types, strict=True))
    return {
        "confrelid": parent.oid,
        "confkey": constraint.referenced_columns,
        "conpfeqop": _equality_operators(pairs),
        "conppeqop": _equality_operators(zip(parent_types, parent_types, strict=True)),
        "conffeqop": _equality_operators(zip(child_types, child_types, strict=True)),
        "confdelsetcols": constraint.on_delete_set_columns or None,
    }


def _equality_operators(pairs: Iterable[tuple[int, int]]) -> tuple[int, ...]:
    found = (find_operator("=", left, right) for left, right in pairs)
    return tuple(98 if operator is None else operator.oid for operator in found)  # varchar compares as text


# --- pg_depend ------------------------------------------------------------------------------------


@database_rows_of("pg_depend")
def depend_rows(database: Database) -> list[Row]:
    rows = [
        _depend_row(_shown(database, edge.dependent), _shown(database, edge.referenced), edge.type)
        for edge in _edges(database)
        if edge.dependent.oid >= FIRST_USER_OID and not (_is_hidden(database, edge.dependent))
    ]
    rows.extend(_depend_row(*triple) for triple in _type_and_rule_edges(database))
    rows.extend(_depend_row(member, OWN_EXTENSION, "e") for member in own_members(database))
    return rows


def _is_hidden(database: Database, address: Address) -> bool:
    """Whether it is part of a graph: graphs themselves show what they depend on."""
    if address.class_oid == CLASS_CONSTRAINT:
        return isinstance(database.constraints().get(address.oid), ElementConstraint)
    relation = database.relation(address.oid) if address.class_oid == CLASS_RELATION else None
    return isinstance(relation, PropertyIndex) or (relation is not None and relation.is_hidden)


def _shown(database: Database, address: Address) -> Address:
    """An attribute of a composite type is a column of its relation."""
    composite = database.relation(address.oid) if address.class_oid == CLASS_TYPE and address.sub_id else None
    if not isinstance(composite, CompositeType):
        return address
    return Address(CLASS_RELATION, composite.relation_oid, address.sub_id)


def _depend_row(dependent: Address, referenced: Address, kind: str) -> Row:
    return DEPEND.row(
        classid=dependent.class_oid,
        objid=dependent.oid,
        objsubid=dependent.sub_id,
        refclassid=referenced.class_oid,
        refobjid=referenced.oid,
        refobjsubid=referenced.sub_id,
        deptype=kind,
    )


def _edges(database: Database) -> Iterator[Edge]:
    """What a view reads, its rule reads."""
    for edge in edges(database):
        view = database.relation(edge.dependent.oid) if edge.dependent.class_oid == CLASS_RELATION else None
        if isinstance(view, (View, MaterializedView)) and edge.referenced.class_oid == CLASS_RELATION:
            yield Edge(Address(CLASS_REWRITE, rule_oid(view)), edge.referenced, edge.type)
        else:
            yield Edge(edge.dependent, edge.referenced, edge.type)


def _type_and_rule_edges(database: Database) -> Iterator[tuple[Address, Address, str]]:
    for relation in database.tables_and_views():
        whole = Address(CLASS_RELATION, relation.oid)
        if relation.row_type_oid:
            row_type = Address(CLASS_TYPE, relation.row_type_oid)
            yield row_type, whole, "i"
            yield Address(CLASS_TYPE, relation.row_array_oid), row_type, "i"
        if isinstance(relation, (View, MaterializedView)):
            rule = Address(CLASS_REWRITE, rule_oid(relation))
            yield rule, whole, "i"
            yield rule, whole, "n"


# --- comments -------------------------------------------------------------------------------------


@database_rows_of("pg_description")
def description_rows(database: Database) -> list[Row]:
    return [
        DESCRIPTION.row(objoid=a.oid, classoid=a.class_oid, objsubid=a.sub_id, description=text)
        for a, text in ((_shown(database, own), text) for own, text in database.comments.items())
    ]


@rows_of("pg_shdescription")
def shared_description_rows(context: SystemContext) -> list[Row]:
    return [
        SHARED_DESCRIPTION.row(objoid=a.oid, classoid=a.class_oid, description=text)
        for a, text in context.catalog.comments.items()
    ]


# --- pg_rewrite -----------------------------------------------------------------------------------


@database_rows_of("pg_rewrite")
def rewrite_rows(database: Database) -> list[Row]:
    return [
        REWRITE.row(
            oid=rule_oid(view),
            rulename="_RETURN",
            ev_class=view.oid,
            ev_type="1",
            ev_enabled="O",
            is_instead=True,
            ev_qual="<>",
            ev_action=rule_text(view.oid),
        )
        for view in database.with_queries()
    ]


def rule_oid(view: View | MaterializedView) -> int:
    """The OID of a view's rule: its own, or the view's where it was given none."""
    return view.rule_oid or view.oid
