"""What Skerry does not support it refuses by name: SQLSTATE 0A000, nothing done, the connection alive."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.postgres_server import Address
from support.wire_client import WireClient

REFUSED = [
    "DO $$ BEGIN END $$",
    "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN 1; END $$",
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE PROCEDURE p() LANGUAGE sql AS 'SELECT 1'",
    "CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()",
    "CREATE POLICY p ON t",
    "ALTER TABLE t ENABLE ROW LEVEL SECURITY",
    "CREATE TABLE part (x int) PARTITION BY RANGE (x)",
    "CREATE TABLE inherits (y int) INHERITS (t)",
    "CREATE INDEX ON t USING gist (x)",
    "CREATE INDEX ON t USING gin (x)",
    "CREATE TYPE span AS RANGE (subtype = float8)",
    "CREATE EXTENSION postgis",
    "CREATE MATERIALIZED VIEW mv WITH (refresh = deferred) AS SELECT 1",
    "CREATE RULE r AS ON INSERT TO t DO NOTHING",
    "CREATE EVENT TRIGGER e ON ddl_command_start EXECUTE FUNCTION f()",
    "SELECT * FROM t TABLESAMPLE bernoulli (10)",
    "SELECT '<a/>'::xml",
    "SELECT '(1,2)'::point",
    "SELECT 'a'::tsvector",
    "COPY t FROM '/etc/hostname'",
]


@pytest.fixture
def client(skerry_server: Address) -> Iterator[WireClient]:
    """A connection with a table `t (x int)` of its own."""
    connection = WireClient(skerry_server)
    connection.query("DROP TABLE IF EXISTS t")
    assert connection.query("CREATE TABLE t (x int)").error is None
    yield connection
    connection.query("ROLLBACK")
    connection.query("DROP TABLE IF EXISTS t")
    connection.close()


@pytest.mark.parametrize("text", REFUSED)
def test_refused_by_name(client: WireClient, text: str) -> None:
    error = client.query(text).error
    assert error is not None
    assert error["C"] == "0A000", error
    assert client.query("ROLLBACK").error is None
    assert client.query("SELECT 1").rows == [("1",)]
