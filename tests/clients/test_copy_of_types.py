"""COPY in binary, of every type: the bytes are PostgreSQL's, and go back in."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import sql
from support.postgres_server import Address

COLUMNS: dict[str, list[str]] = {
    "bool": ["t", "f"],
    "int2": ["-32768"],
    "int4": ["2147483647"],
    "int8": ["-9223372036854775808"],
    "float4": ["1.5", "NaN"],
    "float8": ["-Infinity", "1e-300"],
    "numeric": ["0", "-12345.67800", "NaN", "Infinity", "1e100", "0.00001"],
    "numeric(10,2)": ["12.30"],
    "text": ["", "naïve 𝄞"],
    "varchar(5)": ["abc"],
    "char(4)": ["ab"],
    '"char"': ["x"],
    "name": ["a name"],
    "bytea": ["\\x00ff", ""],
    "date": ["2020-02-29", "infinity", "0044-03-15 BC"],
    "time": ["01:02:03.5"],
    "timetz": ["01:02:03+05"],
    "timestamp": ["1999-12-31 23:59:59.999", "-infinity"],
    "timestamptz": ["2024-01-01 00:00+02"],
    "interval": ["1 year 2 mons -3 days 04:05:06", "-1 sec"],
    "uuid": ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"],
    "json": ['{"a":  1}'],
    "jsonb": ['{"b": [1, null]}'],
    "oid": ["4000000000"],
    "xid": ["7"],
    "tid": ["(1,2)"],
    "inet": ["10.0.0.1/8", "::1"],
    "cidr": ["10.0.0.0/8"],
    "macaddr": ["08:00:2b:01:02:03"],
    "bit(5)": ["10101"],
    "varbit": ["101", ""],
    "regclass": ["pg_class"],
    "regtype": ["int4"],
    "int2vector": ["1 2"],
    "int4[]": ["{}", "{1,NULL,3}", "{{1,2},{3,4}}"],
    "text[]": ['{a,"b c",NULL}'],
    "numeric[]": ["{1.50,NaN}"],
    "timestamptz[]": ["{2024-01-01 00:00+00}"],
    "jsonb[]": ['{"{\\"a\\": 1}"}'],
    "bool[]": ["{t,f}"],
    "uuid[]": ["{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}"],
    "interval[]": ["{1 day}"],
    "bytea[]": ['{"\\\\x00"}'],
    "char(3)[]": ["{ab}"],
    "float8[]": ["{1,NaN}"],
}
ROWS = max(len(values) for values in COLUMNS.values())


def copied(server: Address) -> tuple[list[bytes], bool]:
    """The messages of COPY TO, and whether a table that they are copied into is the same."""
    dsn = f"host={server.host} port={server.port} user={server.user} dbname={server.database}"
    if server.password:
        dsn += f" password={server.password}"
    with psycopg.connect(dsn) as connection:
        connection.execute("set timezone to 'UTC'")
        columns = ", ".join(f"c{number} {name}" for number, name in enumerate(COLUMNS))
        connection.execute(f"create temp table one ({columns}); create temp table two (like one)")  # type: ignore[arg-type]
        for row in range(ROWS):
            found = [values[row] if row < len(values) else None for values in COLUMNS.values()]
            literals = sql.SQL(", ").join([sql.Literal(value) for value in found])
            connection.execute(sql.SQL("insert into one values ({})").format(literals))
        cursor: Any = connection.cursor()
        with cursor.copy("copy one to stdout (format binary)") as copy:
            data = [bytes(each) for each in copy]
        with cursor.copy("copy two from stdin (format binary)") as copy:
            for each in data:
                copy.write(each)
        texts = []
        for name in ("one", "two"):
            with cursor.copy(f"copy {name} to stdout") as copy:
                texts.append([bytes(each) for each in copy])
        return data, texts[0] == texts[1]


def test_binary_copy_is_postgresqls(server: Address, postgres: Address) -> None:
    data, is_same = copied(server)
    assert is_same and len(data) == ROWS + 1
    assert data == copied(postgres)[0]


RECORDS = """
    select row(1, 'a'::text, null::int8, date '2020-01-01', array[1, 2], 2.5, row(true, 'x'::name)),
        (select t from (values (1, 'x'), (2, null)) t (a, b) where t.a = 2)
"""


def records(server: Address) -> list[bytes | None]:
    """Records in binary, as a driver gets them that asks for every value so."""
    dsn = f"host={server.host} port={server.port} user={server.user} dbname={server.database}"
    with (
        psycopg.connect(dsn, password=server.password) as connection,
        connection.cursor(binary=True) as cursor,
    ):
        result = cursor.execute(RECORDS).pgresult
        assert result is not None
        return [result.get_value(0, column) for column in range(result.nfields)]


def test_records_are_the_bytes_of_postgresqls(server: Address, postgres: Address) -> None:
    assert records(server) == records(postgres)
