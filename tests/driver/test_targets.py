"""Addresses, parameter styles and SQLSTATE mapping, without any database."""

from __future__ import annotations

import datetime
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

import skerry
from skerry.isolation import begin_sql
from skerry.parameters import from_native, from_pyformat
from skerry.sqlstates import error_class, error_from_fields
from skerry.targets import fits, parse_target
from skerry.text_values import READERS, read_interval
from skerry.values_out import parameter_oid


def test_memory_and_paths() -> None:
    assert parse_target(":memory:").path == ":memory:"
    assert parse_target("").path == ":memory:"
    assert parse_target("./data/x").path == "./data/x"
    assert parse_target("x", database="shop").database == "shop"


def test_server_addresses() -> None:
    full = parse_target("skerry://ann:se%40cret@db.example:6000/shop")
    assert (full.host, full.port, full.user, full.password, full.database) == (
        "db.example",
        6000,
        "ann",
        "se@cret",
        "shop",
    )
    short = parse_target("skerry://localhost")
    assert (short.path, short.port, short.user, short.database) == (None, 5433, "skerry", "postgres")
    assert parse_target("skerry://[::1]:7000/x").host == "::1"
    assert parse_target("skerry://ann@h/x", user="bob", database="y").user == "bob"


@pytest.mark.parametrize(
    "address", ["postgresql://x", "skerry://h:port/x", "skerry://h:99999/x", "skerry://h/x?a=b"]
)
def test_malformed_addresses(address: str) -> None:
    with pytest.raises(skerry.InterfaceError):
        parse_target(address)


def test_nobody_listens() -> None:
    with pytest.raises(skerry.OperationalError):
        skerry.connect("skerry://127.0.0.1:1/x")


def test_opening_a_path_twice_shares_the_engine(tmp_path: Path) -> None:
    with (
        closing(skerry.connect(tmp_path / "data")) as one,
        closing(skerry.connect(tmp_path / "data")) as other,
    ):
        one.cursor().execute("create table t (a int)")
        one.cursor().execute("insert into t values (1)")
        one.commit()
        one.close()
        cursor = other.cursor()
        cursor.execute("select a from t")
        assert cursor.fetchall() == [(1,)]
    with closing(skerry.connect(tmp_path / "data")) as again:
        cursor = again.cursor()
        cursor.execute("select a from t")
        assert cursor.fetchall() == [(1,)]


def test_importing_the_driver_does_not_import_the_engine() -> None:
    code = (
        "import sys, skerry; "
        "loaded = sorted(n for n in sys.modules if n.startswith('skerry_engine.') and n != 'skerry_engine.errors'); "
        "sys.exit(str(loaded) if loaded else 0)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def test_pyformat() -> None:
    assert from_pyformat("a % b", None) == ("a % b", None)
    assert from_pyformat("%s %% %s", [1, 2]) == ("$1 % $2", [1, 2])
    assert from_pyformat("%(x)s %(y)s %(x)s", {"y": 2, "x": 1, "z": 3}) == ("$1 $2 $1", [1, 2])
    assert from_pyformat("no placeholders", ()) == ("no placeholders", [])


def test_native_names() -> None:
    text = "SELECT $a, '$a', \"$a\", E'\\'$a', $$ $a $$, $q$ $a $q$, x$a, $1 -- $a\n, /* $a */ $b, $a"
    translated, values = from_native(text, {"a": 1, "b": 2})
    expected = "SELECT $1, '$a', \"$a\", E'\\'$a', $$ $a $$, $q$ $a $q$, x$a, $1 -- $a\n, /* $a */ $2, $1"
    assert (translated, values) == (expected, [1, 2])


def test_begin_statements() -> None:
    assert begin_sql(None, False, False) == "BEGIN"
    assert begin_sql("snapshot", True, True) == "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY, DEFERRABLE"


def test_sqlstates() -> None:
    errors = skerry.errors
    assert error_class("40001") is errors.WriteConflict
    assert error_class("40001", "T005") is errors.SerializationFailure
    assert error_class("57014") is errors.QueryCanceled
    assert error_class("57014", "T002") is errors.TransactionTimeout
    assert error_class("23505") is errors.UniqueViolation
    assert error_class("23999") is errors.IntegrityError
    assert error_class("99999") is errors.DatabaseError
    error = error_from_fields({"C": "42601", "M": "wrong", "P": "7", "H": "mend it", "R": "scanner_yyerror"})
    assert (type(error), error.message, error.position, error.hint) == (
        errors.SyntaxError,
        "wrong",
        7,
        "mend it",
    )


def test_network_parameter_types() -> None:
    assert [parameter_oid(value) for value in (True, 1, 2**40, 2**80, "x", None)] == [16, 23, 20, 1700, 0, 0]
    lists = [[1], [1, 2**40], [1, 2.5], ["x"], [], [None], [[1], [2]], (True,)]
    assert [parameter_oid(value) for value in lists] == [1007, 1016, 1022, 1009, 0, 0, 1007, 1000]
    with pytest.raises(skerry.NotSupportedError):
        parameter_oid(object())
    assert [parameter_oid(value) for value in ([1, b"x"], [[1], [2, 3]], [{}, {"a": b""}])] == [
        9107,
        9107,
        9109,
    ]


def test_network_intervals() -> None:
    expected = datetime.timedelta(days=-1, hours=2, minutes=3, seconds=4.5)
    assert read_interval("-1 days +02:03:04.5") == expected
    assert read_interval("1 year 2 mons -3 days -04:00:00") == skerry.Interval(14, -3, -4 * 3_600_000_000)
    assert read_interval("P1Y") == "P1Y"


@pytest.mark.parametrize(
    ("oid", "text", "expected"),
    [
        (1083, "24:00:00", "24:00:00"),
        (1082, "0044-01-01 BC", "0044-01-01 BC"),
        (1082, "infinity", "infinity"),
        (1114, "99999-01-01 00:00:00", "99999-01-01 00:00:00"),
        (1184, "2024-01-01 12:00:00.5+05:30", datetime.datetime(2024, 1, 1, 6, 30, 0, 500000, datetime.UTC)),
        (
            1009,
            '{a,"b,c",NULL,"NULL","q\\"x\\\\",{}}'.replace(",{}", ""),
            ["a", "b,c", None, "NULL", 'q"x\\'],
        ),
        (1007, "[0:1]={1,2}", [1, 2]),
        (1007, "{{1,2},{3,NULL}}", [[1, 2], [3, None]]),
        (1009, "{}", []),
        (1182, "{2024-01-01,infinity}", [datetime.date(2024, 1, 1), "infinity"]),
        (22, "1 2", [1, 2]),
    ],
)
def test_network_texts(oid: int, text: str, expected: object) -> None:
    assert READERS[oid](text) == expected


def test_addresses_of_several_servers() -> None:
    target = parse_target(
        "skerry://ann:s%40@one:1,[::1]:2,three/db?target_session_attrs=primary&connect_timeout=2"
    )
    assert target.hosts == (("one", 1), ("::1", 2), ("three", 5433))
    assert (target.host, target.port, target.user, target.password) == ("one", 1, "ann", "s@")
    assert (target.session_attributes, target.connect_timeout_s) == ("primary", 2.0)
    target = parse_target("skerry:///?application_name=a%20b&options=-c%20x%3D1")
    assert (target.host, target.settings) == (
        "127.0.0.1",
        (("application_name", "a b"), ("options", "-c x=1")),
    )
    for wrong, named in [
        ("skerry://h/?nope=1", "nope"),
        ("skerry://h/?target_session_attrs=best", "target_session_attrs"),
        ("skerry://h/?connect_timeout=soon", "connect_timeout"),
        ("skerry://h:99999/", "port"),
        ("skerry://h/#x", "fragment"),
    ]:
        with pytest.raises(skerry.InterfaceError, match=named):
            parse_target(wrong)


@pytest.mark.parametrize(
    ("attributes", "fitting"),
    [
        ("any", {"primary", "reading", "standby"}),
        ("read-write", {"primary"}),
        ("read-only", {"reading", "standby"}),
        ("primary", {"primary", "reading"}),
        ("standby", {"standby"}),
    ],
)
def test_session_attributes(attributes: str, fitting: set[str]) -> None:
    servers = {
        "primary": {"in_hot_standby": "off", "default_transaction_read_only": "off"},
        "reading": {"in_hot_standby": "off", "default_transaction_read_only": "on"},
        "standby": {"in_hot_standby": "on", "default_transaction_read_only": "off"},
    }
    assert {name for name, settings in servers.items() if fits(settings, attributes)} == fitting
