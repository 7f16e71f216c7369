"""From the catalogs to objects: one query for each kind of object, whatever the number of objects.

Quoting, types' names and expressions are the server's own texts, printed with an empty search_path and so
qualified.  The queries run on PostgreSQL too, whose catalogs are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from skerry.dump.model import (
    Column,
    Constraint,
    Contents,
    GraphType,
    Index,
    NativeGraph,
    PropertyGraph,
    Relation,
    Schema,
    SequenceObject,
    Table,
    UserType,
    View,
)
from skerry.dump.writing import domain_definition, enum_definition, in_order_of_bases, literal
from skerry_engine import errors

Rows = list[tuple[Any, ...]]
Comments = dict[tuple[str, int, int], str]
"""Comments by catalog's name, OID and column number."""

_OURS = "n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'skerry')"
"""Schemas that are dumped."""

_NAMES = "n.nspname, c.relname, quote_ident(n.nspname) || '.' || quote_ident(c.relname)"

_SCHEMAS = f"SELECT n.oid, n.nspname, quote_ident(n.nspname) FROM pg_namespace n WHERE {_OURS}"

_ENUMS = f"""
SELECT t.oid, n.nspname, t.typname, quote_ident(n.nspname) || '.' || quote_ident(t.typname), e.enumlabel
FROM pg_type t
JOIN pg_namespace n ON n.oid = t.typnamespace
LEFT JOIN pg_enum e ON e.enumtypid = t.oid
WHERE {_OURS} AND t.typtype = 'e'
ORDER BY t.oid, e.enumsortorder"""

_COMPOSITES = f"""
SELECT t.oid, n.nspname, t.typname, quote_ident(n.nspname) || '.' || quote_ident(t.typname),
       quote_ident(a.attname), format_type(a.atttypid, a.atttypmod),
       CASE u.typcategory WHEN 'A' THEN u.typelem ELSE u.oid END, c.oid, a.attnum
FROM pg_type t
JOIN pg_namespace n ON n.oid = t.typnamespace
JOIN pg_class c ON c.oid = t.typrelid AND c.relkind = 'c'
LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_type u ON u.oid = a.atttypid
WHERE {_OURS}
ORDER BY t.oid, a.attnum"""

_DOMAINS = f"""
SELECT t.oid, n.nspname, t.typname, quote_ident(n.nspname) || '.' || quote_ident(t.typname), t.typbasetype,
       format_type(t.typbasetype, t.typtypmod), quote_ident(k.nspname) || '.' || quote_ident(l.collname),
       pg_get_expr(t.typdefaultbin, 'pg_type'::regclass), t.typnotnull
FROM pg_type t
JOIN pg_namespace n ON n.oid = t.typnamespace
JOIN pg_type b ON b.oid = t.typbasetype
LEFT JOIN pg_collation l ON l.oid = t.typcollation AND t.typcollation <> b.typcollation
LEFT JOIN pg_namespace k ON k.oid = l.collnamespace
WHERE {_OURS} AND t.typtype = 'd'"""

_DOMAIN_CHECKS = """
SELECT o.oid, o.contypid, quote_ident(o.conname), pg_get_constraintdef(o.oid), o.convalidated
FROM pg_constraint o WHERE o.contypid <> 0 AND o.contype = 'c'
ORDER BY o.contypid, o.conname"""

_RELATIONS = f"""
SELECT c.oid, {_NAMES}, c.relkind, c.relpersistence = 'u', c.reloptions, c.relispopulated,
       CASE WHEN c.relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid) END
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE {_OURS} AND c.relkind IN ('r', 'v', 'm')"""

_SEQUENCES = f"""
SELECT c.oid, {_NAMES}, c.relpersistence = 'u', format_type(s.seqtypid, NULL), s.seqstart, s.seqincrement,
       s.seqmin, s.seqmax, s.seqcache, s.seqcycle, d.refobjid, quote_ident(a.attname), d.deptype = 'i'
FROM pg_sequence s
JOIN pg_class c ON c.oid = s.seqrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_depend d ON d.objid = c.oid AND d.classid = 'pg_class'::regclass
    AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')
LEFT JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
WHERE {_OURS}"""

_GRAPHS = f"""
SELECT c.oid, {_NAMES}
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE {_OURS} AND c.relkind = 'g'"""

_HAS_GRAPHS = """
SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'skerry' AND c.relname = 'graph_types'"""
"""PostgreSQL has none."""

_OUR_GRAPHS = "schema !~ '^pg_'"

_NATIVE_GRAPHS = f"""
SELECT oid, schema, name, quote_ident(schema) || '.' || quote_ident(name), is_closed, definition
FROM skerry.graphs WHERE kind = 'native' AND {_OUR_GRAPHS}"""

_GRAPH_PARTS = """
SELECT definition FROM (
    SELECT 1 AS part, name, definition FROM skerry.graph_constraints WHERE graph = {0} AND NOT is_from_type
    UNION ALL SELECT 2, name, definition FROM skerry.graph_indexes WHERE graph = {0}) AS p
ORDER BY part, name, definition"""

_ELEMENTS = "SELECT 1 FROM GRAPH_TABLE ({} MATCH {} COLUMNS (1 AS one)) LIMIT 1"
_PATTERNS = ("(n)", "()-[e]-()")

_COLUMNS = f"""
SELECT c.oid, a.attnum, quote_ident(a.attname), format_type(a.atttypid, a.atttypmod), a.attnotnull,
       pg_get_expr(d.adbin, d.adrelid), a.attidentity, a.attgenerated,
       quote_ident(k.nspname) || '.' || quote_ident(l.collname), coalesce(a.attstattarget, -1)
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
LEFT JOIN pg_collation l ON l.oid = a.attcollation AND a.attcollation <> t.typcollation
LEFT JOIN pg_namespace k ON k.oid = l.collnamespace
WHERE {_OURS} AND c.relkind IN ('r', 'v', 'm')
ORDER BY c.oid, a.attnum"""

_CONSTRAINTS = f"""
SELECT o.oid, c.oid, n.nspname, c.relname, o.conname, quote_ident(o.conname), o.contype,
       pg_get_constraintdef(o.oid), o.convalidated, o.confrelid, o.conindid, quote_ident(n.nspname)
FROM pg_constraint o
JOIN pg_class c ON c.oid = o.conrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE {_OURS} AND o.contype IN ('c', 'p', 'u', 'f') AND o.conrelid <> 0"""

_INDEXES = f"""
SELECT c.oid, i.indrelid, {_NAMES}, pg_get_indexdef(c.oid)
FROM pg_index i
JOIN pg_class c ON c.oid = i.indexrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_constraint o ON o.conindid = c.oid AND o.contype IN ('p', 'u', 'x')
WHERE {_OURS} AND o.oid IS NULL AND i.indisvalid"""

_VIEW_READS = """
SELECT r.ev_class, d.refobjid
FROM pg_rewrite r
JOIN pg_depend d ON d.objid = r.oid AND d.classid = 'pg_rewrite'::regclass
WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid <> r.ev_class"""

_COMMENTS = """
SELECT k.relname, d.objoid, d.objsubid, d.description
FROM pg_description d JOIN pg_class k ON k.oid = d.classoid
WHERE k.relname IN ('pg_class', 'pg_namespace', 'pg_constraint', 'pg_type')"""

_UNKNOWN = f"""
SELECT 'relation ' || c.oid::regclass::text
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE {_OURS} AND c.relkind NOT IN ('c', 'r', 'v', 'm', 'i', 'S', 't', 'g')
UNION ALL
SELECT 'type ' || t.oid::regtype::text
FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
WHERE {_OURS} AND t.typtype = 'r'
UNION ALL
SELECT 'function ' || p.oid::regprocedure::text
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE {_OURS}
UNION ALL
SELECT 'child table ' || i.inhrelid::regclass::text
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE {_OURS}
UNION ALL
SELECT 'constraint ' || quote_ident(o.conname)
FROM pg_constraint o JOIN pg_namespace n ON n.oid = o.connamespace
WHERE {_OURS} AND o.contype NOT IN ('c', 'p', 'u', 'f', 'n')
UNION ALL
SELECT 'rule ' || quote_ident(r.rulename)
FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE {_OURS} AND r.rulename <> '_RETURN'
UNION ALL
SELECT 'trigger ' || quote_ident(t.tgname)
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE {_OURS} AND NOT t.tgisinternal
ORDER BY 1 LIMIT 5"""


HOME = ("public", "home")
"""The graph that every database has."""


class Queries(Protocol):
    """Whatever runs a query."""

    def rows(self, text: str) -> Rows:
        """The rows of one query."""
        ...


def refuse_unknown(source: Queries) -> None:
    """Raise NotSupportedError when there is anything that a dump would leave out."""
    found = [name for (name,) in source.rows(_UNKNOWN)]
    if found:
        raise errors.NotSupportedError(f"can't be dumped: {', '.join(found)}")


def _graphs(source: Queries, comments: Comments) -> list[PropertyGraph]:
    """The graphs over tables."""
    found: list[PropertyGraph] = []
    for oid, schema, bare, name in source.rows(_GRAPHS):
        ((definition,),) = source.rows(f"SELECT pg_get_propgraphdef({oid})")
        if definition is not None:
            comment = comments.get(("pg_class", oid, 0))
            found.append(PropertyGraph((schema, bare), name, definition, comment))
    return found


def _graph_types(source: Queries) -> list[GraphType]:
    rows = source.rows(f"SELECT schema, name, definition FROM skerry.graph_types WHERE {_OUR_GRAPHS}")
    return [GraphType((schema, bare), definition) for schema, bare, definition in rows]


def _native_graphs(source: Queries) -> list[NativeGraph]:
    """The graphs with elements of their own, but for the one that every database has if nothing was done to it.

    Each is read from, so that it stays as it is until the transaction ends.
    """
    graphs: list[NativeGraph] = []
    for oid, schema, bare, name, is_closed, definition in source.rows(_NATIVE_GRAPHS):
        is_there_anyway = (schema, bare) == HOME and not is_closed
        graph = NativeGraph((schema, bare), name, "" if is_there_anyway else f"{definition};")
        found = [source.rows(_ELEMENTS.format(name, pattern)) for pattern in _PATTERNS]
        graph.has_elements = any(found)
        graph.parts = [f"{part};" for (part,) in source.rows(_GRAPH_PARTS.format(oid))]
        if graph.definition or graph.has_elements or graph.parts:
            graphs.append(graph)
    return graphs


def read_contents(source: Queries, is_wanted: Callable[[str, str], bool] | None) -> Contents:
    """All objects, or the relations for which `is_wanted(schema, name)`, sorted by name.

    With a choice there are no schemas, types and graphs; a sequence comes along with the table whose column owns it.
    Sequences' values are not read yet.
    """
    comments: Comments = {(kind, oid, column): text for kind, oid, column, text in source.rows(_COMMENTS)}
    relations = _relations(source.rows(_RELATIONS), comments)
    sequences = [_sequence(row, comments) for row in source.rows(_SEQUENCES)]
    if is_wanted is None:
        schemas = [
            Schema(bare, name, comments.get(("pg_namespace", oid, 0)))
            for oid, bare, name in source.rows(_SCHEMAS)
        ]
        types = _enums(source.rows(_ENUMS), comments)
        types += _composites(source.rows(_COMPOSITES), comments)
        types += _domains(source.rows(_DOMAINS), source.rows(_DOMAIN_CHECKS), comments)
    else:
        schemas, types = [], []
        relations = {oid: each for oid, each in relations.items() if is_wanted(*each.sort_key)}
        sequences = [s for s in sequences if s.owner_oid in relations or is_wanted(*s.sort_key)]
    graphs = _graphs(source, comments) if is_wanted is None else []
    has_graphs = is_wanted is None and bool(source.rows(_HAS_GRAPHS))
    graph_types = _graph_types(source) if has_graphs else []
    native_graphs = _native_graphs(source) if has_graphs else []
    _add_columns(relations, source.rows(_COLUMNS), comments)
    tables = {oid: each for oid, each in relations.items() if isinstance(each, Table)}
    views = {oid: each for oid, each in relations.items() if isinstance(each, View)}
    _add_constraints(tables, source.rows(_CONSTRAINTS), comments)
    _add_indexes({**tables, **views}, source.rows(_INDEXES), comments)
    _add_identities(tables, sequences)
    graph_oids = {oid for oid, *_ in source.rows(_GRAPHS)}
    for view_oid, read_oid in source.rows(_VIEW_READS):
        if view_oid in views and read_oid in views:
            views[view_oid].reads.add(read_oid)
        elif view_oid in views and read_oid in graph_oids:
            views[view_oid].reads_graph = True
    return Contents(
        sorted(schemas, key=lambda schema: schema.bare),
        in_order_of_bases(sorted(types, key=_by_name)),
        sorted(sequences, key=_by_name),
        sorted(tables.values(), key=_by_name),
        sorted(views.values(), key=_by_name),
        sorted(graphs, key=_by_name),
        sorted(graph_types, key=_by_name),
        sorted(native_graphs, key=_by_name),
    )


def _by_name(
    each: Relation | Constraint | Index | PropertyGraph | GraphType | NativeGraph | UserType,
) -> tuple[str, ...]:
    return each.sort_key


def _enums(rows: Rows, comments: Comments) -> list[UserType]:
    """One row for each label, and for an enum without any."""
    labels: dict[tuple[int, str, str, str], list[str]] = {}
    for *enum, label in rows:
        labels.setdefault((enum[0], enum[1], enum[2], enum[3]), []).extend([] if label is None else [label])
    return [
        UserType(oid, (schema, bare), name, enum_definition(name, found), comments.get(("pg_type", oid, 0)))
        for (oid, schema, bare, name), found in labels.items()
    ]


def _composites(rows: Rows, comments: Comments) -> list[UserType]:
    """One row for each attribute, and for a type without any."""
    found: dict[int, UserType] = {}
    attributes: dict[int, list[str]] = {}
    for oid, schema, bare, name, attribute, type_name, type_oid, relation_oid, number in rows:
        if oid not in found:
            found[oid] = UserType(oid, (schema, bare), name, "", comments.get(("pg_type", oid, 0)))
        if attribute is not None:
            attributes.setdefault(oid, []).append(f"{attribute} {type_name}")
            found[oid].uses.append(type_oid)
            comment = comments.get(("pg_class", relation_oid, number))
            if comment is not None:
                found[oid].later.append(f"COMMENT ON COLUMN {name}.{attribute} IS {literal(comment)};")
    for oid, each in found.items():
        listed = ",".join(f"\n    {attribute}" for attribute in attributes.get(oid, ()))
        each.definition = f"CREATE TYPE {each.name} AS ({listed}\n);"
    return list(found.values())


def _domains(rows: Rows, checks: Rows, comments: Comments) -> list[UserType]:
    found: list[UserType] = []
    for oid, schema, bare, name, base_oid, *parts in rows:
        own = [(check, *rest) for check, domain_oid, *rest in checks if domain_oid == oid]
        inline = [f"CONSTRAINT {bare_name} {text}" for _, bare_name, text, is_valid in own if is_valid]
        later = [
            f"ALTER DOMAIN {name} ADD CONSTRAINT {bare_name} {text};"
            for _, bare_name, text, is_valid in own
            if not is_valid
        ]
        for check, bare_name, *_ in own:
            comment = comments.get(("pg_constraint", check, 0))
            if comment is not None:
                later.append(f"COMMENT ON CONSTRAINT {bare_name} ON DOMAIN {name} IS {literal(comment)};")
        definition = domain_definition(name, parts, inline)
        comment = comments.get(("pg_type", oid, 0))
        found.append(UserType(oid, (schema, bare), name, definition, comment, [base_oid], later))
    return found


def _relations(rows: Rows, comments: Comments) -> dict[int, Table | View]:
    found: dict[int, Table | View] = {}
    for oid, schema, bare, name, kind, is_unlogged, options, is_populated, query in rows:
        comment = comments.get(("pg_class", oid, 0))
        if kind == "r":
            found[oid] = Table(oid, (schema, bare), name, comment, is_unlogged, tuple(options or ()))
        else:
            view = View(oid, (schema, bare), name, comment, tuple(options or ()), [], query)
            view.is_materialized, view.is_populated = kind == "m", is_populated
            found[oid] = view
    return found


def _sequence(row: tuple[Any, ...], comments: Comments) -> SequenceObject:
    oid, schema, bare, name, is_unlogged, *numbers, owner_oid, owner_column, is_identity = row
    type_name, start, increment, minimum, maximum, cache, is_cyclic = numbers
    return SequenceObject(
        oid,
        (schema, bare),
        name,
        comments.get(("pg_class", oid, 0)),
        type_name,
        start,
        increment,
        minimum,
        maximum,
        cache,
        is_cyclic,
        is_unlogged,
        bool(is_identity),
        owner_oid or 0,
        owner_column or "",
    )


def _add_columns(relations: dict[int, Table | View], rows: Rows, comments: Comments) -> None:
    for oid, attnum, *fields in rows:
        if oid in relations:
            column = Column(*fields)
            column.comment = comments.get(("pg_class", oid, attnum))
            relations[oid].columns.append(column)


def _add_constraints(tables: dict[int, Table], rows: Rows, comments: Comments) -> None:
    for oid, table_oid, schema, table, bare, *fields, index_oid, schema_name in rows:
        if table_oid in tables:
            constraint = Constraint((schema, table, bare), *fields)
            constraint.comment = comments.get(("pg_constraint", oid, 0))
            if constraint.kind in "pu":
                constraint.index_name = f"{schema_name}.{constraint.name}"
                constraint.index_comment = comments.get(("pg_class", index_oid, 0))
            tables[table_oid].constraints.append(constraint)
    for each in tables.values():
        each.constraints.sort(key=_by_name)


def _add_indexes(tables: Mapping[int, Table | View], rows: Rows, comments: Comments) -> None:
    for oid, table_oid, schema, bare, name, definition in rows:
        if table_oid in tables:
            index = Index((schema, bare), name, definition, comments.get(("pg_class", oid, 0)))
            tables[table_oid].indexes.append(index)
    for each in tables.values():
        each.indexes.sort(key=_by_name)


def _add_identities(tables: dict[int, Table], sequences: Iterable[SequenceObject]) -> None:
    for sequence in sequences:
        table = tables.get(sequence.owner_oid)
        if sequence.is_identity and table is not None:
            table.identities[sequence.owner_column] = sequence
