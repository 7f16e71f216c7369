"""The same small schema here and in PostgreSQL: what the system relations say of it must be the same.

OIDs of user objects differ, so rows are found by name and OID columns are left out; so are columns that
report what Skerry has not (toast tables, transaction ids, pages).
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.catalog_world import FakeSystem, World
from support.postgres_server import Address
from support.wire_client import WireClient

from skerry_engine.catalog.names import CatalogNames
from skerry_engine.catalog.objects import SystemTable
from skerry_engine.values import oids
from skerry_engine.values.io import IoContext, text_encoder
from skerry_engine.values.types import ALL_TYPES, SqlType

SCHEMA = """
CREATE TABLE author (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name varchar(100) NOT NULL, email text UNIQUE);
CREATE TABLE book (id serial PRIMARY KEY, author_id bigint NOT NULL REFERENCES author(id) ON DELETE CASCADE,
                   title text NOT NULL, price numeric(10,2) CHECK (price >= 0), flag boolean);
CREATE INDEX book_lower ON book (lower(title));
CREATE INDEX book_part ON book (price DESC) WHERE flag;
CREATE VIEW book_v AS SELECT id FROM book;
COMMENT ON TABLE book IS 'a book';
COMMENT ON COLUMN book.title IS 'its title';
"""

DATABASE = "skerry_catalog_facts"

Rows = list[tuple[str | None, ...]]

# relation, columns left out, PostgreSQL's condition, and the same here as (column, accepted values)
USER_NAMES = "('author','book','author_pkey','author_email_key','book_pkey','book_lower','book_part','book_v'," \
    "'author_id_seq','book_id_seq')"  # fmt: skip


@pytest.fixture(scope="module")
def there(postgres: Address) -> Iterator[WireClient]:
    main = WireClient(postgres)
    main.query(f"DROP DATABASE IF EXISTS {DATABASE}")
    main.query(f"CREATE DATABASE {DATABASE} TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
    client = WireClient(postgres, DATABASE)
    if client.query("SHOW server_version").rows[0][0][:2] != "15":
        pytest.skip("the facts are PostgreSQL 15's")
    client.query(SCHEMA)
    yield client
    client.close()
    main.query(f"DROP DATABASE {DATABASE}")
    main.close()


@pytest.fixture(scope="module")
def here() -> FakeSystem:
    return FakeSystem(World())


class Texts:
    """A system relation's rows here, as text."""

    def __init__(self, system: FakeSystem, name: str, schema: str = "pg_catalog") -> None:
        found = system.database.find_relation(name, schema, system.search_path)
        assert isinstance(found, SystemTable)
        self.columns = [column.name for column in found.columns]
        io = IoContext(names=CatalogNames(system.catalog, system.database, system.search_path))
        encoders = [text_encoder(column.type, io) for column in found.columns]
        self.rows = [
            {
                column: None if value is None else encode(value)
                for column, encode, value in zip(self.columns, encoders, row, strict=True)
            }
            for row in found.rows(system)
        ]

    def select(self, columns: list[str], where: str = "", values: frozenset[str] = frozenset()) -> Rows:
        chosen = [row for row in self.rows if not where or row[where] in values]
        return sorted((tuple(row[c] for c in columns) for row in chosen), key=str)


def ask(client: WireClient, query: str) -> Rows:
    outcome = client.query(query)
    assert outcome.error is None, outcome.error
    return sorted((tuple(row) for row in outcome.rows), key=str)


def compare(
    client: WireClient, system: FakeSystem, name: str, left_out: str, key: str, condition: str
) -> None:
    """Compare the rows whose `key` column PostgreSQL gives for `condition`."""
    texts = Texts(system, name)
    columns = [column for column in texts.columns if column not in left_out.split()]
    selected = ", ".join(columns)
    theirs = ask(client, f"SELECT {selected} FROM pg_catalog.{name} WHERE {condition}")
    keys = frozenset(
        str(row[0]) for row in ask(client, f"SELECT {key} FROM pg_catalog.{name} WHERE {condition}")
    )
    assert texts.select(columns, key, keys) == theirs


def test_pg_class(there: WireClient, here: FakeSystem) -> None:
    left_out = "oid reltype relfilenode relpages reltuples relallvisible reltoastrelid relfrozenxid relminmxid relnamespace"
    compare(there, here, "pg_class", left_out, "relname", f"relname IN {USER_NAMES}")


def test_pg_attribute(there: WireClient, here: FakeSystem) -> None:
    names = {row["oid"]: row["relname"] for row in Texts(here, "pg_class").rows}
    texts = Texts(here, "pg_attribute")
    columns = [c for c in texts.columns if c not in ("attrelid", "attcacheoff")]
    selected = ", ".join(columns)
    query = f"SELECT attrelid::regclass::text, {selected} FROM pg_attribute WHERE attnum > 0 AND attrelid IN "
    theirs = ask(there, f"{query} (SELECT oid FROM pg_class WHERE relname IN {USER_NAMES})")
    users = frozenset(str(row[0]) for row in theirs)
    ours = [
        (names[row["attrelid"]], *(row[c] for c in columns))
        for row in texts.rows
        if names[row["attrelid"]] in users and int(str(row["attnum"])) > 0
    ]
    assert sorted(ours, key=str) == theirs


def test_columns_of_system_relations(there: WireClient, here: FakeSystem) -> None:
    texts = Texts(here, "pg_attribute")
    columns = "attname atttypid attnum attlen attbyval attalign attstorage attnotnull attcollation".split()
    selected = ", ".join(columns)
    query = f"SELECT attrelid::text, {selected} FROM pg_attribute WHERE attnum > 0 AND attrelid IN "
    theirs = ask(there, f"{query} (SELECT oid FROM pg_class WHERE relnamespace = 11 AND relkind = 'r')")
    known = {str(info.oid) for info in ALL_TYPES}
    theirs = [row for row in theirs if row[2] in known and row[2] != str(oids.ANYARRAY)]
    missing = set(theirs) - {tuple(row[c] for c in ["attrelid", *columns]) for row in texts.rows}
    assert missing == set()


def test_pg_index(there: WireClient, here: FakeSystem) -> None:
    texts = Texts(here, "pg_index")
    names = {row["oid"]: row["relname"] for row in Texts(here, "pg_class").rows}
    columns = [
        c for c in texts.columns if c not in "indexrelid indrelid indexprs indpred indcheckxmin".split()
    ]
    selected = ", ".join(columns)
    theirs = ask(
        there,
        f"SELECT indexrelid::regclass::text, {selected} FROM pg_index WHERE indexrelid >= 16384 AND indrelid IN "
        "(SELECT oid FROM pg_class WHERE relkind = 'r')",
    )
    ours = [(names[row["indexrelid"]], *(row[c] for c in columns)) for row in texts.rows]
    assert sorted(ours, key=str) == theirs


def test_pg_constraint(there: WireClient, here: FakeSystem) -> None:
    left_out = "oid conrelid conindid confrelid conbin connamespace"
    compare(there, here, "pg_constraint", left_out, "conname", "conrelid >= 16384")


def test_pg_sequence(there: WireClient, here: FakeSystem) -> None:
    texts = Texts(here, "pg_sequence")
    columns = [column for column in texts.columns if column != "seqrelid"]
    selected = ", ".join(columns)
    assert texts.select(columns) == ask(there, f"SELECT {selected} FROM pg_sequence")


def test_built_in_types(there: WireClient, here: FakeSystem) -> None:
    texts = Texts(here, "pg_type")
    columns = [c for c in texts.columns if c not in "typanalyze typdefault typdefaultbin".split()]
    selected = ", ".join(columns)
    ours = [row for row in texts.select(columns) if int(str(row[0])) < 9000]
    listed = ", ".join(str(row[0]) for row in ours)
    assert ours == ask(there, f"SELECT {selected} FROM pg_type WHERE oid IN ({listed})")


def test_row_types(there: WireClient, here: FakeSystem) -> None:
    left_out = "oid typrelid typelem typarray typnamespace"
    compare(
        there, here, "pg_type", left_out, "typname", "typname IN ('book','_book','author','_author','book_v')"
    )


@pytest.mark.parametrize(
    ("name", "left_out"),
    [
        ("pg_operator", "oprrest oprjoin oprcode oprcom oprnegate"),
        ("pg_opclass", ""),
        ("pg_opfamily", ""),
        ("pg_cast", ""),
        ("pg_am", ""),
        ("pg_tablespace", ""),
        ("pg_collation", ""),
    ],
)
def test_facts_by_oid(there: WireClient, here: FakeSystem, name: str, left_out: str) -> None:
    texts = Texts(here, name)
    columns = [column for column in texts.columns if column not in left_out.split()]
    selected = ", ".join(columns)
    ours = [
        row for row in texts.select(columns) if not 9000 <= int(str(row[0])) < 10000
    ]  # those are Skerry's own
    listed = ", ".join(str(row[0]) for row in ours)
    assert ours == ask(there, f"SELECT {selected} FROM {name} WHERE oid IN ({listed})")


def test_functions_by_oid(there: WireClient, here: FakeSystem) -> None:
    texts = Texts(here, "pg_proc")
    columns = "oid proname prokind proretset pronargs prorettype proargtypes provariadic".split()
    selected = ", ".join(columns)
    ours = [row for row in texts.select(columns) if int(str(row[0])) < 9000 or int(str(row[0])) > 9999]
    listed = ", ".join(str(row[0]) for row in ours)
    assert ours == ask(there, f"SELECT {selected} FROM pg_proc WHERE oid IN ({listed})")


@pytest.mark.parametrize(
    ("name", "condition"),
    [
        ("pg_tables", "schemaname = 'public'"),
        ("pg_indexes", "schemaname = 'public'"),
        ("pg_sequences", "schemaname = 'public'"),
        ("pg_namespace", "nspname IN ('public','pg_catalog','information_schema')"),
    ],
)
def test_views_and_schemas(there: WireClient, here: FakeSystem, name: str, condition: str) -> None:
    left_out = "oid tablespace tableowner sequenceowner nspacl"
    key = "nspname" if name == "pg_namespace" else "schemaname"
    compare(there, here, name, left_out, key, condition)


@pytest.mark.parametrize(
    ("name", "condition"),
    [
        ("columns", "table_name IN ('author','book','book_v')"),
        ("tables", "table_name IN ('author','book')"),
        ("table_constraints", "table_name IN ('author','book') AND constraint_name NOT LIKE '%_not_null'"),
        ("key_column_usage", "table_name IN ('author','book')"),
        ("constraint_column_usage", "table_name IN ('author','book')"),
        ("referential_constraints", "true"),
        ("sequences", "true"),
        ("check_constraints", "constraint_name = 'book_price_check'"),
    ],
)
def test_information_schema(there: WireClient, here: FakeSystem, name: str, condition: str) -> None:
    texts = Texts(here, name, "information_schema")
    left_out = {c for c in texts.columns if c.endswith("_catalog")} | {"is_updatable"}
    columns = [column for column in texts.columns if column not in left_out]
    selected = ", ".join(columns)
    theirs = ask(there, f"SELECT {selected} FROM information_schema.{name} WHERE {condition}")
    shown = {"author", "book", "book_v", "book_price_check"}
    key = "constraint_name" if name == "check_constraints" else "table_name"
    ours = [row for row in texts.rows if key not in texts.columns or row[key] in shown]
    if name == "tables":
        ours = [row for row in ours if row["table_name"] != "book_v"]
    ours = [row for row in ours if not str(row.get("constraint_name")).endswith("_not_null")]
    assert sorted((tuple(row[c] for c in columns) for row in ours), key=str) == theirs


def test_pg_depend(there: WireClient, here: FakeSystem) -> None:
    """By kinds: triggers, toast tables, extensions and system objects apart, the same number of the same dependencies."""
    theirs = ask(
        there,
        "SELECT classid::text, refclassid::text, (refobjsubid > 0)::text, deptype::text, count(*)::text FROM pg_depend "
        "WHERE objid >= 16384 AND classid NOT IN (2620) AND refclassid NOT IN (2620, 3079) "
        "AND NOT EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = 99 AND c.oid IN (objid, refobjid)) "
        "GROUP BY 1, 2, 3, 4",
    )
    counts: dict[tuple[str | None, ...], int] = {}
    for row in Texts(here, "pg_depend").rows:
        if row["refclassid"] == "3079":
            continue
        has_column = "true" if row["refobjsubid"] != "0" else "false"
        kind = (row["classid"], row["refclassid"], has_column, row["deptype"])
        counts[kind] = counts.get(kind, 0) + 1
    assert sorted(((*kind, str(count)) for kind, count in counts.items()), key=str) == theirs


def test_encoders_cover_every_column_type() -> None:
    assert text_encoder(SqlType(oids.OIDVECTOR), IoContext())((1, 2)) == "1 2"
