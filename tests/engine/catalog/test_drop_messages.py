"""What DROP says about dependent objects: the expected texts are PostgreSQL 15's for the same schema."""

from __future__ import annotations

import pytest

from skerry_engine import errors
from skerry_engine.algebra.expressions import Const
from skerry_engine.catalog import changes, cluster_changes
from skerry_engine.catalog.bootstrap import POSTGRES, new_catalog
from skerry_engine.catalog.catalog import Catalog, Database
from skerry_engine.catalog.dependencies import DropPlan, plan_drop
from skerry_engine.catalog.objects import (
    CLASS_CONSTRAINT,
    CLASS_NAMESPACE,
    CLASS_RELATION,
    Address,
    Column,
    Constraint,
    IndexDef,
    IndexKey,
    Schema,
    SequenceDef,
    StoredExpression,
    Table,
    View,
)
from skerry_engine.values.types import SqlType

INT = SqlType(23)
REGCLASS = SqlType(2205)


class World:
    """Schema z: a(id primary key, x), b(id serial, aid, aid2 referencing a), views on a and on views,
    c using s."""

    def __init__(self) -> None:
        self.catalog: Catalog = new_catalog()
        self.schema = self.oid()
        self.catalog = cluster_changes.create_schema(self.catalog, POSTGRES, Schema(self.schema, "z"))
        self.a = self.table("a", "id", "x")
        self.key = self.primary_key()
        self.b_seq = self.sequence("b_id_seq")
        self.b = self.table("b", "id", "aid", "aid2", uses=self.b_seq)
        owner = Address(CLASS_RELATION, self.b, 1)
        self.catalog = changes.set_sequence_owner(self.catalog, POSTGRES, self.b_seq, owner)
        self.foreign_key("b_aid_fkey", 2)
        self.foreign_key("b_aid2_fkey", 3)
        self.v1 = self.view("v1", (self.a, 1), (self.a, 2))
        self.v2 = self.view("v2", (self.v1, 1))
        self.v3 = self.view("v3", (self.a, 1), (self.v2, 1))
        self.s = self.sequence("s")
        self.c = self.table("c", "k", "j", uses=self.s)

    def oid(self) -> int:
        return self.catalog.oids.allocate()

    @property
    def database(self) -> Database:
        return self.catalog.database(POSTGRES)

    def table(self, name: str, *columns: str, uses: int = 0) -> int:
        oid = self.oid()
        default = StoredExpression("", Const(REGCLASS, uses)) if uses else None
        used = 1 if name == "b" else len(columns)
        made = [
            Column(
                c,
                i + 1,
                i,
                INT,
                default=default if i < used else None,
                default_oid=self.oid() if i < used else 0,
            )
            for i, c in enumerate(columns)
        ]
        table = Table(oid=oid, name=name, schema_oid=self.schema, columns=tuple(made), storage_id=oid)
        self.catalog = changes.create_table(self.catalog, POSTGRES, table)
        return oid

    def sequence(self, name: str) -> int:
        oid = self.oid()
        made = SequenceDef(oid=oid, name=name, schema_oid=self.schema)
        self.catalog = changes.create_sequence(self.catalog, POSTGRES, made)
        return oid

    def primary_key(self) -> int:
        index_oid, oid = self.oid(), self.oid()
        index = IndexDef(
            oid=index_oid, name="a_pkey", schema_oid=self.schema, table_oid=self.a,
            keys=(IndexKey(type=INT, attnum=1),), unique=True, primary=True, constraint_oid=oid,
        )  # fmt: skip
        key = Constraint(oid, "a_pkey", "p", self.a, (1,), index_oid=index_oid)
        self.catalog = changes.add_constraint(self.catalog, POSTGRES, key, index)
        return oid

    def foreign_key(self, name: str, attnum: int) -> None:
        index_oid = self.database.constraints()[self.key].index_oid
        key = Constraint(
            self.oid(), name, "f", self.b, (attnum,), index_oid=index_oid, referenced_table_oid=self.a,
            referenced_columns=(1,),
        )  # fmt: skip
        self.catalog = changes.add_constraint(self.catalog, POSTGRES, key)

    def view(self, name: str, *reads: tuple[int, int]) -> int:
        oid = self.oid()
        references = tuple(Address(CLASS_RELATION, relation, attnum) for relation, attnum in reads)
        made = View(
            oid=oid, name=name, schema_oid=self.schema, columns=(Column("id", 1, 0, INT),), source="",
            references=references,
        )  # fmt: skip
        self.catalog = changes.create_view(self.catalog, POSTGRES, made)
        return oid

    def plan(self, *targets: Address, cascade: bool = False, visible: bool = True) -> DropPlan:
        path = self.database.search_path(["z"] if visible else [], "skerry")
        return plan_drop(self.database, targets, cascade, path)

    def refused(self, *targets: Address) -> errors.DependentObjectsStillExist:
        with pytest.raises(errors.DependentObjectsStillExist) as caught:
            self.plan(*targets)
        return caught.value


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def relation(oid: int, column: int = 0) -> Address:
    return Address(CLASS_RELATION, oid, column)


def test_drop_table(world: World) -> None:
    error = world.refused(relation(world.a))
    assert error.message == "cannot drop table a because other objects depend on it"
    assert error.detail == (
        "constraint b_aid_fkey on table b depends on table a\n"
        "constraint b_aid2_fkey on table b depends on table a\n"
        "view v1 depends on table a\n"
        "view v2 depends on view v1\n"
        "view v3 depends on table a"
    )


def test_drop_two_tables(world: World) -> None:
    error = world.refused(relation(world.a), relation(world.b))
    assert error.message == "cannot drop desired object(s) because other objects depend on them"
    assert error.detail == (
        "view v1 depends on table a\nview v2 depends on view v1\nview v3 depends on table a"
    )


def test_drop_view(world: World) -> None:
    error = world.refused(relation(world.v1))
    assert error.detail == "view v2 depends on view v1\nview v3 depends on view v2"


def test_drop_columns(world: World) -> None:
    error = world.refused(relation(world.a, 1))
    assert error.message == "cannot drop column id of table a because other objects depend on it"
    assert error.detail == (
        "constraint b_aid_fkey on table b depends on column id of table a\n"
        "constraint b_aid2_fkey on table b depends on column id of table a\n"
        "view v1 depends on column id of table a\n"
        "view v2 depends on view v1\n"
        "view v3 depends on column id of table a"
    )
    error = world.refused(relation(world.a, 2))
    assert error.detail == (
        "view v1 depends on column x of table a\nview v2 depends on view v1\nview v3 depends on view v2"
    )


def test_drop_sequences(world: World) -> None:
    error = world.refused(relation(world.s))
    assert error.detail == (
        "default value for column k of table c depends on sequence s\n"
        "default value for column j of table c depends on sequence s"
    )
    error = world.refused(relation(world.b_seq))
    assert error.detail == "default value for column id of table b depends on sequence b_id_seq"


def test_drop_schema(world: World) -> None:
    error = world.refused(Address(CLASS_NAMESPACE, world.schema))
    assert error.detail == (
        "table a depends on schema z\n"
        "table b depends on schema z\n"
        "view v1 depends on schema z\n"
        "view v2 depends on schema z\n"
        "view v3 depends on schema z\n"
        "sequence s depends on schema z\n"
        "table c depends on schema z"
    )


def test_drop_constraint(world: World) -> None:
    error = world.refused(Address(CLASS_CONSTRAINT, world.key))
    assert error.message == "cannot drop constraint a_pkey on table a because other objects depend on it"
    assert error.detail == (
        "constraint b_aid_fkey on table b depends on index a_pkey\n"
        "constraint b_aid2_fkey on table b depends on index a_pkey"
    )


def test_cascade_notice_qualifies_what_is_not_visible(world: World) -> None:
    plan = world.plan(relation(world.a), cascade=True, visible=False)
    assert plan.notice == "drop cascades to 5 other objects"
    assert plan.notice_detail == (
        "drop cascades to constraint b_aid_fkey on table z.b\n"
        "drop cascades to constraint b_aid2_fkey on table z.b\n"
        "drop cascades to view z.v1\n"
        "drop cascades to view z.v2\n"
        "drop cascades to view z.v3"
    )


def test_system_objects_stay(world: World) -> None:
    with pytest.raises(
        errors.InsufficientPrivilege, match='permission denied: "pg_class" is a system catalog'
    ):
        world.plan(relation(1259))
    with pytest.raises(errors.DependentObjectsStillExist, match="required by the database system"):
        world.plan(Address(CLASS_NAMESPACE, 11))
