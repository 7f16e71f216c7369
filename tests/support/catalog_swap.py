"""An engine whose catalog goes through its bytes and back again and again, while its rows stay.

    swap_catalog(engine)          the newest catalog is what is read back from the bytes of the present one
    SwappingDatabase().session()  a SqlDatabase that does so before every statement outside transactions

Within a transaction it would look as if every table had just been altered.  What is temporary is not in the bytes; it is put back as it was, so that sessions can go on.
"""

from __future__ import annotations

from dataclasses import replace

from skerry_engine.catalog.catalog import Catalog, Database
from skerry_engine.catalog.codec import decode_catalog, encode_catalog
from skerry_engine.catalog.objects import Relation, Table
from skerry_engine.engine import Engine
from skerry_engine.session.steps import Step
from support.sessions import SqlDatabase, SqlSession


def newest_catalog(engine: Engine) -> Catalog:
    """The catalog of the last commit."""
    catalog = engine.manager.newest_catalog()
    assert isinstance(catalog, Catalog)
    return catalog


def swap_catalog(engine: Engine) -> None:
    """Put the decoded catalog in the place of the newest one."""
    catalog = newest_catalog(engine)
    check_linked(catalog)
    data = encode_catalog(catalog)
    decoded = decode_catalog(data)
    assert encode_catalog(decoded) == data
    assert decoded.oids.next_oid == catalog.oids.next_oid
    check_linked(decoded)
    for oid, database in catalog.databases.items():
        decoded = decoded.with_database(_with_temporary(decoded.database(oid), database))
    engine.manager._catalog = replace(decoded, oids=catalog.oids)


def check_linked(catalog: Catalog) -> None:
    """A table's indexes are those that stand among the relations, all of them, and names lead to objects."""
    for database in catalog.databases.values():
        listed = {index.oid: index for table in database.tables() for index in table.indexes}
        assert listed.keys() == {index.oid for index in database.indexes()}
        assert all(database.relations[oid] is index for oid, index in listed.items())
        named = {(r.schema_oid, r.name): r.oid for r in database.relations.values() if not r.is_hidden}
        assert named == database.relation_oids
        assert {s.name: s.oid for s in database.schemas.values()} == database.schema_oids


def is_temporary(database: Database, relation: Relation) -> bool:
    """Whether a relation lasts only as long as its session."""
    return database.schemas[relation.schema_oid].name.startswith("pg_temp")


def _with_temporary(decoded: Database, before: Database) -> Database:
    schemas = [s for s in before.schemas.values() if s.name.startswith("pg_temp")]
    relations = [r for r in before.relations.values() if is_temporary(before, r)]
    assert not any(isinstance(r, Table) and not r.is_temporary for r in relations)
    found = decoded.with_schemas(schemas).with_relations(relations)
    return found.with_comments(before.comments)


class SwappingDatabase(SqlDatabase):
    """As SqlDatabase, but no transaction sees the catalog that another one made.  `swaps` counts."""

    def __init__(self, *setup: str) -> None:
        self.swaps = 0
        self.swapped: Catalog | None = None
        super().__init__(*setup)

    def session(self, name: str = "main") -> SqlSession:
        """The session of that name."""
        found = self.sessions.get(name)
        if found is None:
            session = self.engine.open_session("postgres", "skerry", {})
            found = self.sessions[name] = _SwappingSession(self, name, session)
        return found


class _SwappingSession(SqlSession):
    """Swaps the catalog when nobody is in a transaction, then runs."""

    def run_all(self, text: str) -> list[Step]:
        """Every step of a text."""
        self._swap()
        return super().run_all(text)

    def _begin(self, text: str) -> None:
        self._swap()
        super()._begin(text)

    def _swap(self) -> None:
        database = self.database
        assert isinstance(database, SwappingDatabase)
        engine = database.engine
        if not engine.manager.active and newest_catalog(engine) is not database.swapped:
            swap_catalog(engine)
            database.swapped = newest_catalog(engine)
            database.swaps += 1
