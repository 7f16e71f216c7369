"""Settings: values, messages, and what transactions undo."""

from __future__ import annotations

import pytest

from skerry_engine.errors import DatabaseError, NotSupportedError, UndefinedObject
from skerry_engine.session.settings import Settings


def shown(name: str, *values: str) -> str:
    settings = Settings()
    settings.set(name, values)
    return settings.get(name)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("statement_timeout", "1.5s", "1500ms"),
        ("statement_timeout", "90s", "90s"),
        ("statement_timeout", "1 min", "1min"),
        ("statement_timeout", "0", "0"),
        ("statement_timeout", "1us", "0"),
        ("work_mem", "4GB", "4GB"),
        ("work_mem", "1.5MB", "1536kB"),
        ("work_mem", "2000", "2000kB"),
        ("random_page_cost", "1.5", "1.5"),
        ("jit", "of", "off"),
        ("force_parallel_mode", "ON", "on"),
        ("min_parallel_index_scan_size", "1MB", "1MB"),
        ("default_transaction_isolation", "Read Committed", "read committed"),
        ("datestyle", "german", "German, DMY"),
        ("datestyle", "SQL, European", "SQL, DMY"),
        ("datestyle", "ymd", "ISO, YMD"),
        ("timezone", "europe/berlin", "Europe/Berlin"),
        ("timezone", "-5", "<-05>+05"),
        ("timezone", "5.5", "<+05:30>-05:30"),
        ("timezone", "INTERVAL '-08:00'", "<-08>+08"),
        ("client_encoding", "utf-8", "UTF8"),
        ("application_name", "aé", "a??"),
        ("my.own", "x", "x"),
    ],
)
def test_values_are_read_and_shown_as_postgres_does(name: str, value: str, expected: str) -> None:
    assert shown(name, value) == expected


def test_search_path_quotes_where_needed() -> None:
    assert shown("search_path", "a", "B", "c d") == 'a, "B", "c d"'
    settings = Settings()
    settings.set_config("search_path", 'a, B,"C d"', False)
    assert settings.search_path() == ("a", "b", "C d")
    settings.set("search_path", ("a, B",))
    assert settings.search_path() == ("a, B",)


@pytest.mark.parametrize(
    ("name", "values", "sqlstate", "message"),
    [
        ("nosuch", ("1",), "42704", 'unrecognized configuration parameter "nosuch"'),
        ("jit", ("o",), "22023", 'parameter "jit" requires a Boolean value'),
        ("work_mem", ("x",), "22023", 'invalid value for parameter "work_mem": "x"'),
        (
            "work_mem",
            ("1",),
            "22023",
            '1 kB is outside the valid range for parameter "work_mem" (64 .. 2147483647)',
        ),
        ("work_mem", ("a", "b"), "22023", "SET work_mem takes only one argument"),
        (
            "extra_float_digits",
            ("4",),
            "22023",
            '4 is outside the valid range for parameter "extra_float_digits" (-15 .. 3)',
        ),
        ("bytea_output", ("x",), "22023", 'invalid value for parameter "bytea_output": "x"'),
        ("datestyle", ("iso", "german"), "22023", 'invalid value for parameter "DateStyle": "iso, german"'),
        ("timezone", ("xx/yy",), "22023", 'invalid value for parameter "TimeZone": "xx/yy"'),
        ("server_version", ("1",), "55P02", 'parameter "server_version" cannot be changed'),
        ("port", ("1",), "55P02", 'parameter "port" cannot be changed without restarting the server'),
        ("a-b.c", ("1",), "42602", 'invalid configuration parameter name "a-b.c"'),
        (
            "standard_conforming_strings",
            ("off",),
            "0A000",
            'setting "standard_conforming_strings" to "off" is not supported',
        ),
        ("client_encoding", ("latin1",), "0A000", 'client_encoding "latin1" is not supported'),
    ],
)
def test_refusals_are_worded_as_postgres_words_them(
    name: str, values: tuple[str, ...], sqlstate: str, message: str
) -> None:
    settings = Settings()
    with pytest.raises(DatabaseError) as caught:
        settings.set(name, values)
    assert (caught.value.sqlstate, caught.value.message) == (sqlstate, message)


def test_units_are_hinted_at() -> None:
    with pytest.raises(DatabaseError) as caught:
        Settings().set("work_mem", ("4gb",))
    assert caught.value.hint == 'Valid units for this parameter are "B", "kB", "MB", "GB", and "TB".'


def test_a_rollback_undoes_set_and_set_local() -> None:
    settings = Settings()
    settings.set("work_mem", ("2MB",))
    settings.commit()
    settings.set("work_mem", ("3MB",))
    settings.set("work_mem", ("5MB",), is_local=True)
    settings.rollback()
    assert settings.get("work_mem") == "2MB"


def test_a_commit_keeps_set_and_drops_set_local() -> None:
    settings = Settings()
    settings.set("work_mem", ("1MB",), is_local=True)
    settings.set("work_mem", ("2MB",))
    assert settings.get("work_mem") == "2MB"
    settings.set("work_mem", ("3MB",), is_local=True)
    assert settings.get("work_mem") == "3MB"
    settings.commit()
    assert settings.get("work_mem") == "2MB"


def test_a_savepoint_undoes_what_came_after_it() -> None:
    settings = Settings()
    settings.set("jit", ("on",))
    mark = settings.mark()
    settings.set("jit", ("off",), is_local=True)
    settings.set("my.own", ("x",))
    settings.rollback_to(mark)
    assert settings.get("jit") == "on"
    with pytest.raises(UndefinedObject):
        settings.get("my.own")


def test_reset_goes_back_to_what_the_session_began_with() -> None:
    settings = Settings({"work_mem": "8MB", "client_encoding": "'utf-8'"})
    settings.set("work_mem", ("1MB",))
    settings.reset("work_mem")
    assert settings.get("work_mem") == "8MB"
    settings.set("jit", ("on",))
    settings.reset(None)
    assert (settings.get("jit"), settings.get("work_mem"), settings.get("client_encoding")) == (
        "off",
        "8MB",
        "UTF8",
    )


def test_reported_settings_are_told_once_when_they_change() -> None:
    settings = Settings({"application_name": "psql"})
    assert settings.reported()["application_name"] == "psql"
    assert settings.take_reports() == []
    settings.set("timezone", ("UTC",))
    assert settings.take_reports() == []
    settings.set("timezone", ("Asia/Tokyo",), is_local=True)
    assert settings.take_reports() == [("TimeZone", "Asia/Tokyo")]
    settings.rollback()
    assert settings.take_reports() == [("TimeZone", "UTC")]


def test_a_version_grows_with_every_change() -> None:
    settings = Settings()
    before = settings.version
    settings.set("search_path", ("x",))
    after = settings.version
    settings.rollback()
    assert before < after < settings.version


def test_transaction_modes_have_statements_of_their_own() -> None:
    settings = Settings()
    with pytest.raises(NotSupportedError):
        settings.set("transaction_isolation", ("serializable",))
    settings.force("transaction_isolation", "repeatable read")
    assert settings.get("transaction_isolation") == "repeatable read"


def test_pg_settings_rows_are_in_base_units() -> None:
    settings = Settings()
    settings.set("statement_timeout", ("2s",))
    rows = {row.name: row for row in settings.infos()}
    row = rows["statement_timeout"]
    assert (row.setting, row.unit, row.minimum, row.source, row.boot_value) == (
        "2000",
        "ms",
        "0",
        "session",
        "0",
    )
    assert rows["IntervalStyle"].enum_values == ("postgres", "postgres_verbose", "sql_standard", "iso_8601")
    assert [name for name, _, _ in settings.show_all()] == sorted(
        (row.name for row in settings.infos()), key=str.lower
    )


def test_a_missing_setting_may_be_asked_for() -> None:
    assert Settings().get_or_none("no.such") is None
