"""`skerry serve --init FILE --read-only`: what is in the file is served, and nothing can be changed."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from support.postgres_server import Address
from support.skerry_process import skerry_process
from support.wire_client import WireClient

import skerry
from skerry_engine.engine import Engine
from skerry_engine.errors import DatabaseError
from skerry_server import cli
from skerry_server.init_file import run_init_file

INIT = """
-- the schema; the rows
create table t (id int primary key, v text);
insert into t values (1, 'a; b');
begin;
insert into t values (2, 'c');
commit;
create sequence s
"""
REFUSED = "cannot set transaction read-write mode in a read-only session"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Address]:
    path = tmp_path_factory.mktemp("init") / "init.sql"
    path.write_text(INIT, encoding="utf-8")
    with skerry_process(["--init", str(path), "--read-only"]) as found:
        yield found


@pytest.fixture
def client(address: Address) -> Iterator[WireClient]:
    with closing(WireClient(address)) as opened:
        yield opened


def test_it_serves_what_the_file_made(client: WireClient) -> None:
    assert client.query("select * from t order by id").rows == [("1", "a; b"), ("2", "c")]
    assert client.query("begin isolation level serializable read only deferrable").error is None
    assert client.query("select count(*) from t").rows == [("2",)]


def test_clients_are_told(client: WireClient) -> None:
    assert client.parameters["default_transaction_read_only"] == "on"


@pytest.mark.parametrize(
    "text",
    [
        "begin read write",
        "begin; set transaction read write",
        "begin; set transaction_read_only = off",
        "begin; reset transaction_read_only",
        "set default_transaction_read_only = off",
        "set local default_transaction_read_only to off",
        "set session characteristics as transaction read write",
        "select set_config('default_transaction_read_only', 'off', false)",
    ],
)
def test_it_can_not_be_switched_off(client: WireClient, text: str) -> None:
    error = client.query(text).error
    assert error is not None
    assert (error["C"], error["R"], error["M"]) == ("25006", "T003", REFUSED)
    client.query("rollback")
    assert client.query("insert into t values (3, 'x')").error is not None
    assert client.query("select count(*) from t").rows == [("2",)]


@pytest.mark.parametrize("text", ["reset default_transaction_read_only", "reset all", "discard all"])
def test_resetting_leaves_it_on(client: WireClient, text: str) -> None:
    assert client.query(text).error is None
    assert client.query("show default_transaction_read_only").rows == [("on",)]
    error = client.query("insert into t values (3, 'x')").error
    assert error is not None and error["C"] == "25006"


@pytest.mark.parametrize("text", ["set skerry.read_only = off", "reset skerry.read_only"])
def test_its_own_setting_is_fixed(client: WireClient, text: str) -> None:
    error = client.query(text).error
    assert error is not None
    assert (error["C"], error["M"]) == (
        "55P02",
        'parameter "skerry.read_only" cannot be set after connection start',
    )


@pytest.mark.parametrize("name", ["default_transaction_read_only", "skerry.read_only"])
def test_nor_can_a_session_begin_otherwise(address: Address, name: str) -> None:
    with pytest.raises(ConnectionError, match=f"25006: {REFUSED}"):
        WireClient(address, **{name: "off"})


@pytest.mark.parametrize(
    "text", ["create table u (x int)", "create temp table u (x int)", "select nextval('s')", "truncate t"]
)
def test_nothing_is_changed(client: WireClient, text: str) -> None:
    error = client.query(text).error
    assert error is not None and error["C"] == "25006"


def test_the_driver_sees_t003(address: Address) -> None:
    with skerry.open(f"skerry://skerry@{address.host}:{address.port}/postgres") as database:
        with pytest.raises(skerry.ReadOnlyViolation):
            database.execute("INSERT INTO t VALUES (3, 'x')")
        with pytest.raises(skerry.ReadOnlyViolation):
            database.execute("BEGIN READ WRITE")
        assert database.execute("SELECT count(*) FROM t").scalar() == 2


# --- an engine that is loaded first, then read-only ----------------------------------------


def test_sessions_opened_before_may_still_write() -> None:
    engine = Engine.open()
    before = engine.open_session("postgres", "skerry")
    engine.read_only = True
    after = engine.open_session("postgres", "skerry")
    list(before.simple_query("create table t (id int)"))
    with pytest.raises(DatabaseError, match="cannot execute INSERT in a read-only transaction"):
        list(after.simple_query("insert into t values (1)"))


# --- the file ----------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("select 1;\n\nselect 1/0;", "line 3: division by zero"),
        ("begin;\nselect 1;", "leaves a transaction open"),
        ("create table t (x int);\ncopy t from stdin;", "line 2: COPY from stdin failed"),
        ("select 1;\nselec", "syntax error"),
    ],
)
def test_a_file_with_an_error_is_not_served(tmp_path: Path, capsys: Any, text: str, message: str) -> None:
    path = tmp_path / "init.sql"
    path.write_text(text, encoding="utf-8")
    assert cli.main(["serve", "--port", "0", "--init", str(path)]) == 1
    assert message in capsys.readouterr().err


def test_a_file_that_is_not_there(capsys: Any) -> None:
    assert cli.main(["serve", "--port", "0", "--init", "/nowhere/init.sql"]) == 1
    assert "No such file" in capsys.readouterr().err


def test_standard_input_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("create table t (id int); select pg_sleep(0.01)"))
    engine = Engine.open()
    run_init_file(engine, "-")
    assert not engine.sessions
    list(engine.open_session("postgres", "skerry").simple_query("select * from t"))
