"""The catalog as bytes: whole and as differences, without what is temporary, strict about what is read."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest
from support.builds import this_builds
from support.catalog_swap import check_linked, newest_catalog, swap_catalog
from support.damage import spoiled
from support.random_definitions import SETUP, DefinitionMaker
from support.sessions import SqlDatabase

from skerry_engine import errors
from skerry_engine.catalog.bootstrap import POSTGRES, new_catalog
from skerry_engine.catalog.catalog import Catalog, Database
from skerry_engine.catalog.codec import FORMAT, apply_delta, decode_catalog, encode_catalog, encode_delta
from skerry_engine.catalog.objects import (
    CLASS_NAMESPACE,
    INFORMATION_SCHEMA,
    PG_CATALOG,
    PUBLIC,
    SKERRY,
    Address,
    IndexDef,
    SystemTable,
    Table,
    View,
)

STORED = Path(__file__).parents[2] / "data" / "catalog"
WORLD = (STORED / "world.sql").read_text(encoding="utf-8")


def world() -> SqlDatabase:
    """A database with one of everything."""
    database = SqlDatabase()
    for text in WORLD.split(";\n"):
        if text.strip():
            database.session().run_all(text)
    return database


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return newest_catalog(world().engine)


def parts(data: bytes) -> Any:
    """The bytes as JSON, without the next OID: temporary objects use up OIDs and are not kept."""
    found = json.loads(data)
    found.pop("next_oid")
    return found


def run(database: SqlDatabase, *texts: str) -> tuple[Catalog, Catalog]:
    """The catalogs before and after some statements."""
    before = newest_catalog(database.engine)
    for text in texts:
        database.session().run_all(text)
    return before, newest_catalog(database.engine)


def delta_of(database: SqlDatabase, *texts: str) -> bytes | None:
    """The difference that some statements make, seen to be right."""
    before, after = run(database, *texts)
    delta = encode_delta(before, after)
    if delta is None:
        assert parts(encode_catalog(before)) == parts(encode_catalog(after))
    else:
        found = apply_delta(decode_catalog(encode_catalog(before)), delta)
        assert encode_catalog(found) == encode_catalog(after)
        check_linked(found)
    return delta


# --- the whole ----------------------------------------------------------------------------------------------


def test_what_is_kept_comes_back_equal(catalog: Catalog) -> None:
    found = decode_catalog(encode_catalog(catalog))
    assert found.roles == catalog.roles
    assert found.comments == catalog.comments
    assert found.oids.next_oid == catalog.oids.next_oid
    assert found.databases.keys() == catalog.databases.keys()
    for oid, database in catalog.databases.items():
        _assert_equal(found.databases[oid], database)


def _assert_equal(found: Database, database: Database) -> None:
    for name in ("oid", "name", "owner_oid", "is_template", "allow_connections", "connection_limit", "acl"):
        assert getattr(found, name) == getattr(database, name)
    for name in ("schemas", "schema_oids", "relation_oids", "comments"):
        assert getattr(found, name) == getattr(database, name)
    assert found.relations.keys() == database.relations.keys()
    for oid, relation in database.relations.items():
        if not isinstance(relation, View):  # aggregates of two queries are never equal
            assert found.relations[oid] == relation


def test_the_bytes_are_the_same_for_the_same_catalog(catalog: Catalog) -> None:
    data = encode_catalog(catalog)
    assert encode_catalog(decode_catalog(data)) == data
    assert data.isascii()


def test_a_new_cluster_comes_back() -> None:
    catalog = new_catalog("boss")
    found = decode_catalog(encode_catalog(catalog))
    assert found.roles == catalog.roles
    assert [found.databases[oid].name for oid in (1, 4, 5)] == ["template1", "template0", "postgres"]
    assert found.databases[4].schemas == catalog.databases[4].schemas


def test_indexes_of_tables_are_those_among_the_relations(catalog: Catalog) -> None:
    found = decode_catalog(encode_catalog(catalog))
    check_linked(found)
    assert sum(1 for _ in found.database(POSTGRES).indexes()) > 5


def test_versions_are_new(catalog: Catalog) -> None:
    found = decode_catalog(encode_catalog(catalog))
    known = {relation.version for relation in catalog.database(POSTGRES).relations.values()}
    for relation in found.database(POSTGRES).relations.values():
        assert isinstance(relation, SystemTable) or relation.version not in known
    assert found.version != catalog.version


def test_system_tables_are_this_versions_own(catalog: Catalog) -> None:
    data = encode_catalog(catalog)
    assert b"SystemTable" not in data and b'"relation_kind"' not in data
    found = decode_catalog(data).database(POSTGRES)
    ours = {r.oid: r for r in new_catalog().database(POSTGRES).system_tables()}
    assert {oid: r for oid, r in found.relations.items() if isinstance(r, SystemTable)} == ours
    assert found.relation_named(PG_CATALOG, "pg_class") is not None


def test_a_schema_and_roles_that_a_newer_version_has_appear() -> None:
    tree = json.loads(encode_catalog(new_catalog()))
    tree["roles"] = [role for role in tree["roles"] if role["name"] != "pg_checkpoint"]
    for database in tree["databases"]:
        database["schemas"] = [s for s in database["schemas"] if s["oid"] not in (SKERRY, INFORMATION_SCHEMA)]
    found = decode_catalog(json.dumps(tree, separators=(",", ":")).encode())
    assert found.role_named("pg_checkpoint") is not None
    assert found.database(POSTGRES).schema_named("skerry") is not None
    assert found.database(POSTGRES).relations == new_catalog().database(POSTGRES).relations


def test_a_dropped_public_schema_stays_dropped() -> None:
    database = SqlDatabase("drop schema public")
    found = decode_catalog(encode_catalog(newest_catalog(database.engine)))
    assert found.database(POSTGRES).schema_named("public") is None


@pytest.mark.parametrize("number", [1])
def test_what_older_versions_wrote_is_read(number: int, catalog: Catalog) -> None:
    """`world_N.json` is the world as format N first had it; these files are never written anew."""
    data = (STORED / f"world_{number}.json").read_bytes().rstrip(b"\n")
    found = decode_catalog(data)
    check_linked(found)
    assert encode_catalog(found) == data
    names = [set(each.database(POSTGRES).relation_oids) for each in (found, catalog)]
    assert names[1] - names[0] == {(PUBLIC, "home")} and not names[0] - names[1]


def test_aggregates_of_a_view_are_told_apart_and_shared_as_they_were() -> None:
    """The order of a DISTINCT query is by one of its outputs; both count(*) below are not one."""
    text = "select distinct a, (select count(*) from t x where x.a > t.a) + count(*) from t group by a order by 2"
    database = SqlDatabase("create table t (a int)", f"create view v as {text}", f"create view w as {text}")
    database.session().run_all("insert into t select g % 3 from generate_series(1, 10) g")
    expected = database.rows(text)
    swap_catalog(database.engine)
    assert (
        database.rows("select * from v")
        == database.rows("select * from w")
        == expected
        == [(2, 3), (1, 7), (0, 10)]
    )


# --- differences --------------------------------------------------------------------------------------------


def test_nothing_changed_is_no_difference(catalog: Catalog) -> None:
    assert encode_delta(catalog, catalog) is None


@pytest.mark.parametrize(
    "text",
    [
        "create temp table z (a serial primary key, b text default 'x')",
        "insert into t values (1)",
        "reindex table t",
        "comment on table t is null",
        "alter table t alter a drop not null",
        "begin; create table gone (a int); rollback",
    ],
)
def test_what_changes_nothing_that_is_kept_is_no_difference(text: str) -> None:
    database = SqlDatabase("create table t (a int)", "create index on t (a)")
    before, after = run(database, text)
    assert encode_delta(before, after) is None


def test_a_difference_names_only_what_changed() -> None:
    database = SqlDatabase("create table t (a int)", "create table u (a int)")
    delta = delta_of(database, "alter table u add column b int")
    assert delta is not None
    (changed,) = json.loads(delta)["changed"]
    assert [relation["name"] for relation in changed["relations"]] == ["u"]
    assert changed.keys() == {"@", "oid", "relations"}


def test_unchanged_objects_are_shared_with_the_catalog_before() -> None:
    database = SqlDatabase("create table t (a int)", "create table u (a int)")
    before, after = run(database, "alter table u add column b int")
    delta = encode_delta(before, after)
    assert delta is not None
    found = apply_delta(before, delta)
    oid = before.database(POSTGRES).relation_oids[(2200, "t")]
    assert found.database(POSTGRES).relations[oid] is before.database(POSTGRES).relations[oid]
    assert found.databases[1] is before.databases[1]
    assert found.oids is before.oids


def test_a_table_takes_part_in_what_happens_to_its_index() -> None:
    database = SqlDatabase("create table t (a int primary key, b int)", "create index i on t (b)")
    before, after = run(database, "alter index i rename to j")
    delta = encode_delta(before, after)
    assert delta is not None
    assert [each["@"] for each in json.loads(delta)["changed"][0]["relations"]] == ["IndexDef"]
    old = decode_catalog(encode_catalog(before))
    found = apply_delta(old, delta)
    check_linked(found)
    oid = before.database(POSTGRES).relation_oids[(2200, "t")]
    table, table_before = found.database(POSTGRES).table(oid), old.database(POSTGRES).table(oid)
    assert [index.name for index in table.indexes] == ["t_pkey", "j"]
    assert table.version != table_before.version


def test_names_that_change_places_are_found() -> None:
    database = SqlDatabase("create table a (x int)", "create table b (y int)")
    delta = delta_of(
        database,
        "begin; alter table a rename to c; alter table b rename to a; alter table c rename to b; commit",
    )
    assert delta is not None


def test_exact_values_are_told_apart() -> None:
    database = SqlDatabase("create table t (n numeric default 1.0, f float8 default 0.0::float8)")
    assert delta_of(database, "alter table t alter n set default 1.00") is not None
    assert delta_of(database, "alter table t alter f set default '-0.0'::float8") is not None


def test_a_difference_moves_the_oids_on_and_never_back() -> None:
    database = SqlDatabase("create table t (a int)")
    before, after = run(database, "create table u (a int)")
    delta = encode_delta(before, after)
    assert delta is not None
    empty = new_catalog()
    assert decode_catalog(encode_catalog(before)).oids.next_oid == before.oids.next_oid
    fresh = decode_catalog(encode_catalog(newest_catalog(SqlDatabase("create table t (a int)").engine)))
    start = fresh.oids.next_oid
    assert apply_delta(fresh, delta).oids.next_oid == after.oids.next_oid > start
    for _ in range(100):
        fresh.oids.allocate()
    ahead = fresh.oids.next_oid
    assert apply_delta(fresh, delta).oids.next_oid == ahead
    assert empty.oids.next_oid < ahead


def test_a_difference_can_be_applied_where_other_objects_have_changed() -> None:
    """As a prepared transaction's is, commits later."""
    database = SqlDatabase("create table t (a int)", "create table u (a int)")
    before, after = run(database, "alter table u add column b int", "comment on table u is 'x'")
    delta = encode_delta(before, after)
    assert delta is not None
    _, other = run(
        SqlDatabase("create table t (a int)", "create table u (a int)"), "alter table t add column z int"
    )
    found = apply_delta(other, delta).database(POSTGRES)
    assert [[c.name for c in t.columns] for t in found.listed(Table)] == [["a", "z"], ["a", "b"]]
    assert "x" in found.comments.values()


def test_a_difference_does_not_take_back_what_became_of_its_database_meanwhile() -> None:
    before, after = run(
        SqlDatabase("create database d"), "comment on database d is 'x'", "create table t (a int)"
    )
    delta = encode_delta(before, after)
    assert delta is not None
    _, renamed = run(SqlDatabase("create database d"), "alter database d connection limit 3")
    found = apply_delta(renamed, delta)
    assert found.get_database("d").connection_limit == 3
    assert found.database(POSTGRES).relation_named(2200, "t") is not None


@pytest.mark.parametrize(
    "text",
    [
        "alter table c add foreign key (a) references p",
        "alter table d drop constraint d_a_fkey",
        "drop table d",
        "create table e (a int references p)",
    ],
)
def test_a_table_that_a_foreign_key_comes_to_or_leaves_has_another_version(text: str) -> None:
    """Plans that delete from it were made without looking at the key, or with."""
    setup = [
        "create table p (a int primary key)",
        "create table c (a int)",
        "create table d (a int references p)",
    ]
    before, after = run(SqlDatabase(*setup), text)
    delta = encode_delta(before, after)
    assert delta is not None
    found = apply_delta(before, delta).database(POSTGRES)
    oid = found.relation_oids[(2200, "p")]
    assert found.relations[oid].version != before.database(POSTGRES).relations[oid].version
    check_linked(apply_delta(before, delta))


SCRIPT_SEEDS = this_builds(range(16))


@pytest.mark.parametrize("seed", SCRIPT_SEEDS)
def test_differences_one_after_the_other_give_the_whole(seed: int) -> None:
    """Random definitions, alone and in transactions: a follower that applies each commit's difference has the
    same catalog throughout."""
    random = Random(seed)
    maker = DefinitionMaker(random)
    database = SqlDatabase(*SETUP)
    before = newest_catalog(database.engine)
    follower = decode_catalog(encode_catalog(before))
    deltas = 0
    for _ in range(70):
        _run_transaction(database, maker, random)
        after = newest_catalog(database.engine)
        check_linked(after)
        delta = encode_delta(before, after)
        if delta is not None:
            follower = apply_delta(follower, delta)
            check_linked(follower)
            deltas += 1
        assert parts(encode_catalog(follower)) == parts(encode_catalog(after))
        before = after
    assert deltas > 10


def _run_transaction(database: SqlDatabase, maker: DefinitionMaker, random: Random) -> None:
    if random.randrange(3):
        _does(database, maker.statement())
        return
    _does(database, "begin")
    for number in range(random.randrange(1, 6)):
        _does(database, f"savepoint s{number}")
        if not _does(database, maker.statement()) or random.randrange(4) == 0:
            _does(database, f"rollback to s{number}")
    _does(database, random.choice(["commit", "commit", "commit", "rollback"]))


def _does(database: SqlDatabase, text: str) -> bool:
    """Whether the statement succeeds."""
    try:
        database.session().run_all(text)
    except errors.DatabaseError:
        return False
    return True


# --- what is temporary --------------------------------------------------------------------------------------


def test_nothing_temporary_is_kept() -> None:
    database = SqlDatabase("create table t (a int)", "comment on table t is 'kept'")
    plain = parts(encode_catalog(newest_catalog(database.engine)))
    for text in (
        "create temp table z (id serial primary key, a int generated always as identity, check (id > 0))",
        "create index zi on z (a)",
        "create temp view zv as select * from z",
        "create temp sequence zs",
        "create view sees_z as select id from z",
        "comment on table z is 'fleeting'",
        "comment on column z.a is 'fleeting'",
        "comment on index zi is 'fleeting'",
        "comment on view zv is 'fleeting'",
        "comment on constraint z_id_check on z is 'fleeting'",
        "comment on schema pg_temp_1 is 'fleeting'",
    ):
        assert delta_of(database, text) is None, text
    assert parts(encode_catalog(newest_catalog(database.engine))) == plain
    both = delta_of(database, "begin; create table u (a int); create temp table zz (a int); commit")
    assert both is not None and b"zz" not in both
    database.session().session.close()
    found = decode_catalog(encode_catalog(newest_catalog(database.engine))).database(POSTGRES)
    assert not any(schema.name.startswith("pg_temp") for schema in found.schemas.values())


def test_a_default_goes_with_the_temporary_sequence_that_it_reads() -> None:
    """As it does when the session ends; a crash must leave nothing else."""
    database = SqlDatabase("create temp sequence fleeting", "create sequence lasting")
    assert delta_of(
        database,
        "create table t (a int default nextval('fleeting'), b int default nextval('lasting'), c int default 1)",
    )
    before = newest_catalog(database.engine)
    found = decode_catalog(encode_catalog(before)).database(POSTGRES)
    columns = found.table(found.relation_oids[(2200, "t")]).columns
    assert [column.default is None for column in columns] == [True, False, False]
    assert columns[0].default_oid == 0
    delta_of(database, "alter table t alter c set default 2")
    before = newest_catalog(database.engine)
    database.session().session.close()
    after = newest_catalog(database.engine)
    assert encode_delta(before, after) is None
    assert parts(encode_catalog(before)) == parts(encode_catalog(after))


# --- roles, databases, comments -----------------------------------------------------------------------------


def test_databases_and_roles_come_go_and_change() -> None:
    database = SqlDatabase()
    for text in (
        "create role r login",
        "alter role r connection limit 3",
        "create database d owner r connection limit 5",
        "comment on database d is 'mine'",
        "comment on role r is 'mine'",
        "alter database d rename to e",
        "alter database e is_template true",
        "alter database e is_template false",
        "alter database e owner to skerry",
        "comment on schema pg_catalog is 'theirs'",
        "drop database e",
        "drop role r",
    ):
        assert delta_of(database, text) is not None, text
    assert delta_of(database, "create schema s", "create schema s2") is not None
    assert delta_of(database, "alter schema s rename to s3", "drop schema s2") is not None


# --- what is read -------------------------------------------------------------------------------------------


def edited(catalog: Catalog, *path: Any, value: Any) -> bytes:
    """The catalog's bytes with something else at a place of the tree."""
    tree = json.loads(encode_catalog(catalog))
    place = tree
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return json.dumps(tree, separators=(",", ":")).encode()


def test_a_later_format_is_refused_before_anything_is_looked_at() -> None:
    data = b'{"@":"catalog","format":%d,"whatever":{"@":"from the future"}}' % (FORMAT + 1)
    with pytest.raises(errors.IncompatibleFormat, match="format 2; this version knows up to 1"):
        decode_catalog(data)
    with pytest.raises(errors.IncompatibleFormat):
        apply_delta(new_catalog(), data.replace(b'"catalog"', b'"catalog delta"'))


def test_one_document_is_not_taken_for_the_other(catalog: Catalog) -> None:
    delta = encode_delta(new_catalog(), catalog)
    assert delta is not None
    with pytest.raises(errors.DatabaseDamaged):
        decode_catalog(delta)
    with pytest.raises(errors.DatabaseDamaged):
        apply_delta(catalog, encode_catalog(catalog))


@pytest.mark.parametrize(
    "data", [b"", b"null", b"[]", b"{}", b'{"@":"catalog"}', b'{"@":"catalog","format":0,']
)
def test_bytes_that_do_not_begin_as_a_catalog_are_damage(data: bytes) -> None:
    with pytest.raises(errors.DatabaseDamaged, match="does not begin"):
        decode_catalog(data)


def place_of(catalog: Catalog, name: str) -> tuple[Any, ...]:
    """Where a relation stands in the tree."""
    databases = json.loads(encode_catalog(catalog))["databases"]
    number = next(n for n, each in enumerate(databases) if each["properties"]["oid"] == POSTGRES)
    relations = databases[number]["relations"]
    return "databases", number, "relations", next(n for n, r in enumerate(relations) if r["name"] == name)


@pytest.mark.parametrize(
    ("relation", "path", "value"),
    [
        ("book", ("oid",), 1259),
        ("book", ("schema_oid",), 999_999),
        ("book", ("name",), "author"),
        ("book", ("indexes",), [1]),
        ("book", ("indexes",), [None]),
        ("book", ("columns", 0, "attnum"), 2),
        ("book", ("columns", 1, "position"), 0),
        ("book", ("columns", 1, "position"), -1),
        ("book", ("constraints", 0, "columns"), [99]),
        ("book", ("constraints", 0, "table_oid"), 1),
        ("book_lower", ("table_oid",), 1259),
        ("book_lower", ("keys", 0, "attnum"), 1),
        ("book_lower", ("keys", 0, "attnum"), 99),
        ("book_v", ("columns", 0, "attnum"), 2),
        ("book_v", ("query",), {"@": "SqlType", "oid": 23}),
    ],
)
def test_objects_that_do_not_hang_together_are_damage(
    catalog: Catalog, relation: str, path: tuple[Any, ...], value: Any
) -> None:
    with pytest.raises(errors.DatabaseDamaged):
        decode_catalog(edited(catalog, *place_of(catalog, relation), *path, value=value))


def test_a_cluster_has_a_superuser(catalog: Catalog) -> None:
    with pytest.raises(errors.DatabaseDamaged, match="superuser"):
        decode_catalog(edited(catalog, "roles", value=[]))


@pytest.mark.parametrize(
    "change",
    [
        '"gone_roles":[10]',
        '"changed":[{"@":"database delta","oid":5,"properties":{"@":"database","oid":6,"name":"x","owner_oid":10,'
        '"is_template":false,"allow_connections":true,"connection_limit":-1,"acl":null}}]',
        '"changed":[{"@":"database delta","oid":5,"relations":[{"@":"SequenceDef","oid":1259,"name":"pg_class",'
        '"schema_oid":11}]}]',
        '"changed":[{"@":"database delta","oid":5,"gone_relations":[16384]}]',
        '"gone":[77]',
    ],
)
def test_a_difference_that_can_not_be_is_damage(change: str) -> None:
    data = '{"@":"catalog delta","format":1,"next_oid":20000,' + change + "}"
    with pytest.raises(errors.DatabaseDamaged):
        apply_delta(new_catalog(), data.encode())


def test_a_difference_of_something_else_is_damage() -> None:
    database = SqlDatabase("create table t (a int)", "create database d")
    before, after = run(database, "drop table t")
    delta = encode_delta(before, after)
    assert delta is not None
    with pytest.raises(errors.DatabaseDamaged):
        apply_delta(after, delta)
    before, after = run(database, "alter database d rename to e")
    delta = encode_delta(before, after)
    assert delta is not None
    with pytest.raises(errors.DatabaseDamaged, match="a change of database"):
        apply_delta(new_catalog(), delta)


@pytest.mark.parametrize("first", range(0, 1000, 200))
def test_a_spoiled_catalog_is_refused_or_read_as_another(catalog: Catalog, first: int) -> None:
    tree = json.loads(encode_catalog(catalog))
    refused = 0
    for seed in range(first, first + 200):
        data = json.dumps(spoiled(tree, Random(seed)), separators=(",", ":")).encode()
        refused += _is_refused(data)
    assert refused > 50


@pytest.mark.parametrize("first", range(0, 600, 200))
def test_a_catalog_with_flipped_or_lost_bytes_is_refused_or_read_as_another(
    catalog: Catalog, first: int
) -> None:
    data = encode_catalog(catalog)
    for seed in range(first, first + 200):
        random = Random(seed)
        place = random.randrange(len(data))
        if random.randrange(4) == 0:
            _is_refused(data[:place] + data[place + random.randrange(1, 50) :])
        else:
            _is_refused(data[:place] + bytes([data[place] ^ (1 << random.randrange(8))]) + data[place + 1 :])


def _is_refused(data: bytes) -> bool:
    """Whether the bytes are refused as they should be; if not, what they give is a catalog."""
    try:
        found = decode_catalog(data)
    except (errors.DatabaseDamaged, errors.IncompatibleFormat):
        return True
    check_linked(found)
    encode_catalog(found)
    return False


def test_a_spoiled_difference_is_refused_or_leads_to_another_catalog() -> None:
    database = SqlDatabase("create table t (a int primary key)", "comment on table t is 'x'", "create role r")
    before, after = run(
        database, *[text for text in WORLD.split(";\n") if text.strip()], "drop table t", "drop role r"
    )
    delta = encode_delta(before, after)
    assert delta is not None
    base, tree = encode_catalog(before), json.loads(delta)
    refused = 0
    for seed in range(300):
        data = json.dumps(spoiled(tree, Random(seed)), separators=(",", ":")).encode()
        try:
            found = apply_delta(decode_catalog(base), data)
        except (errors.DatabaseDamaged, errors.IncompatibleFormat):
            refused += 1
            continue
        check_linked(found)
        encode_catalog(found)
    assert refused > 75


def test_the_parts_of_the_world_are_there(catalog: Catalog) -> None:
    """So that the tests above say what they seem to say."""
    database = catalog.database(POSTGRES)
    kinds = {type(relation) for relation in database.relations.values()}
    assert {Table, IndexDef, View} <= kinds
    assert Address(CLASS_NAMESPACE, database.schema_oids["app"]) in database.comments
