"""What clients do to a database whose process is going to be killed, and what must hold of it afterwards.

Each client numbers its transactions and tells, before it begins one, that it will, and after it was acknowledged, that it
was.  So of every client it is known which numbers must be there and which number alone may be there or not:

    journal     single rows that commit by themselves
    bank        transfers between accounts, each with an entry: sums balance
    tickets     values of a sequence
    builder     tables with an index and rows, and their removal, in one transaction
    pledges     PREPARE TRANSACTION, then COMMIT PREPARED or ROLLBACK PREPARED
    bulk        the rows of a table replaced by more than are installed in one unit
    links       nodes in a chain of edges, each with a shape that is new or old
    careless    rows with synchronous_commit = off: promised is only that none is missing before another

Clients talk to a target of `skerry.connect`, so the same load runs in the process that is killed, in threads on an
embedded database, and outside of it, through a server.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import cast

import skerry
from skerry.dbapi import Connection

Tell = Callable[[str], object]

ACCOUNTS = 20
BALANCE = 1000
BULK_ROWS = 1100
SHAPES = 30
SETUP = (
    f"CREATE TABLE accounts (id int PRIMARY KEY, balance int NOT NULL);"
    f"CREATE INDEX ON accounts (balance);"
    f"INSERT INTO accounts SELECT i, {BALANCE} FROM generate_series(1, {ACCOUNTS}) i;"
    "CREATE TABLE transfers (client text, number int, source int REFERENCES accounts, target int, amount int,"
    "                        PRIMARY KEY (client, number));"
    "CREATE INDEX ON transfers (source, amount DESC);"
    "CREATE TABLE journal (client text, number int, note text, PRIMARY KEY (client, number));"
    "CREATE TABLE built (number int PRIMARY KEY);"
    "CREATE TABLE pledged (number int, part int, PRIMARY KEY (number, part));"
    "CREATE TABLE bulk (batch int, i int, PRIMARY KEY (i)); CREATE INDEX ON bulk (batch);"
    "CREATE SEQUENCE tickets"
)


def _next(connection: Connection, query: str) -> int:
    row = connection.execute(query).fetchone()
    assert row is not None
    return cast(int, row[0] or 0) + 1


class Load:
    """The clients, each in a thread of its own, until the process ends or its connections break."""

    def __init__(self, target: str, seed: int, tell: Tell, checkpoints: bool = False) -> None:
        self._target = target
        self._seed = seed
        self._tell = tell
        self.is_over = threading.Event()
        self._clients: list[Callable[[Connection, str, Random], None]] = [
            *(self._journal, self._bank, self._bank, self._tickets, self._builder, self._pledges, self._bulk),
            self._links,
            self._careless,
        ]
        if checkpoints:
            self._clients.append(self._checkpoints)
        self._threads = [
            threading.Thread(
                target=self._run, args=(client, f"{client.__name__.strip('_')}{number}"), daemon=True
            )
            for number, client in enumerate(self._clients)
        ]

    def start(self) -> None:
        """Let them begin."""
        for thread in self._threads:
            thread.start()

    def once(self, connection: Connection) -> None:
        """A bit of each, one after the other."""
        for number, client in enumerate(self._clients):
            client(connection, f"once{number}", Random(0))

    def join(self) -> None:
        """Wait until they have noticed that nobody answers."""
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive()

    def _run(self, client: Callable[[Connection, str, Random], None], name: str) -> None:
        dice = Random(f"{self._seed} {name}")
        try:
            connection = skerry.connect(self._target, autocommit=True)
            try:
                while not self.is_over.is_set():
                    try:
                        client(connection, name, dice)
                    except skerry.errors.DatabaseError as error:
                        if not error.is_retryable:
                            raise
                        connection.execute("ROLLBACK")
            finally:
                connection.close()
        except skerry.errors.ConnectionFailure:
            return  # it was killed
        except BaseException as error:
            self._tell(f"failed {name} {type(error).__name__}: {error}".replace("\n", " "))
            raise

    # --- the clients ----------------------------------------

    def _attempt(self, name: str, number: int, what: str = "") -> None:
        self._tell(f"try {name} {number} {what}")

    def _done(self, name: str, number: int, what: str = "") -> None:
        self._tell(f"ack {name} {number} {what}")

    def _journal(self, connection: Connection, name: str, dice: Random) -> None:
        first = _next(connection, f"SELECT max(number) FROM journal WHERE client = '{name}'")
        for number in range(first, first + 50):
            self._attempt(name, number)
            connection.execute(
                "INSERT INTO journal VALUES (%s, %s, %s)", (name, number, "n" * dice.randrange(400))
            )
            self._done(name, number)

    def _careless(self, connection: Connection, name: str, dice: Random) -> None:
        connection.execute("SET synchronous_commit = off")
        first = _next(connection, f"SELECT max(number) FROM journal WHERE client = '{name}'")
        for number in range(first, first + 50):
            self._attempt(name, number)
            connection.execute("INSERT INTO journal VALUES (%s, %s, '')", (name, number))
            time.sleep(0.001)

    def _bank(self, connection: Connection, name: str, dice: Random) -> None:
        first = _next(connection, f"SELECT max(number) FROM transfers WHERE client = '{name}'")
        for number in range(first, first + 20):
            source, target = dice.sample(range(1, ACCOUNTS + 1), 2)
            amount = dice.randrange(1, 100)
            self._attempt(name, number)
            level = dice.choice(("READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"))
            connection.execute(f"BEGIN ISOLATION LEVEL {level}")
            connection.execute("UPDATE accounts SET balance = balance - %s WHERE id = %s", (amount, source))
            connection.execute(
                "INSERT INTO transfers VALUES (%s, %s, %s, %s, %s)", (name, number, source, target, amount)
            )
            connection.execute("UPDATE accounts SET balance = balance + %s WHERE id = %s", (amount, target))
            connection.execute("COMMIT")
            self._done(name, number)

    def _tickets(self, connection: Connection, name: str, dice: Random) -> None:
        value = _next(connection, "SELECT nextval('tickets')") - 1
        self._done("tickets", value)

    def _builder(self, connection: Connection, name: str, dice: Random) -> None:
        number = _next(connection, "SELECT max(number) FROM built")
        self._attempt("builder", number)
        connection.execute("BEGIN")
        connection.execute(f"CREATE TABLE built_{number} (a int PRIMARY KEY, b text)")
        connection.execute(f"INSERT INTO built_{number} SELECT i, i % 3 FROM generate_series(1, 10) i")
        connection.execute(f"CREATE INDEX ON built_{number} (b)")
        connection.execute(f"DROP TABLE IF EXISTS built_{max(0, number - 2)}")
        connection.execute(f"ALTER TABLE built_{number} ADD COLUMN c int DEFAULT {number}")
        connection.execute(f"INSERT INTO built VALUES ({number})")
        connection.execute("COMMIT")
        self._done("builder", number)

    def _pledges(self, connection: Connection, name: str, dice: Random) -> None:
        number = _next(connection, "SELECT max(number) FROM pledged") + dice.randrange(3)
        number = max(number, _next(connection, "SELECT max(substr(gid, 2)::int) FROM pg_prepared_xacts"))
        self._attempt("pledges", number, "prepare")
        connection.execute("BEGIN")
        connection.execute(f"INSERT INTO pledged VALUES ({number}, 1), ({number}, 2)")
        connection.execute(f"PREPARE TRANSACTION 'g{number}'")
        self._done("pledges", number, "prepare")
        if dice.random() < 0.2:
            time.sleep(0.05)
        what = dice.choice(("commit", "commit", "rollback"))
        self._attempt("pledges", number, what)
        connection.execute(f"{what} PREPARED 'g{number}'")
        self._done("pledges", number, what)

    def _bulk(self, connection: Connection, name: str, dice: Random) -> None:
        number = _next(connection, "SELECT max(batch) FROM bulk")
        self._attempt("bulk", number)
        connection.execute("BEGIN")
        connection.execute("DELETE FROM bulk")
        connection.execute(f"INSERT INTO bulk SELECT {number}, i FROM generate_series(1, {BULK_ROWS}) i")
        connection.execute("COMMIT")
        self._done("bulk", number)

    def _links(self, connection: Connection, name: str, dice: Random) -> None:
        first = _next(connection, "MATCH (n:Link) RETURN max(n.number) AS last")
        for number in range(first, first + 10):
            self._attempt("links", number)
            connection.execute("BEGIN")
            connection.execute(f"INSERT (:Link {{number: {number}, p{number % SHAPES}: {number}}})")
            connection.execute(
                f"MATCH (a:Link), (b:Link) WHERE a.number = {number - 1} AND b.number = {number} "
                f"INSERT (a)-[:NEXT {{n{number % SHAPES}: 'to {number}'}}]->(b)"
            )
            connection.execute(f"MATCH (n:Link) WHERE n.number = {number} SET n:L{number % SHAPES}")
            connection.execute("COMMIT")
            self._done("links", number)

    def _checkpoints(self, connection: Connection, name: str, dice: Random) -> None:
        time.sleep(dice.random() * 0.1)
        connection.execute("CHECKPOINT")


@dataclass
class Told:
    """What the clients have told, over all rounds: by client, the largest number acknowledged and tried."""

    acknowledged: dict[str, int] = field(default_factory=dict)
    tried: dict[str, int] = field(default_factory=dict)
    pledges: dict[int, str] = field(default_factory=dict)
    """By number: the last thing told of it, such as 'try commit' or 'ack prepare'."""
    failures: list[str] = field(default_factory=list)
    acknowledgements: int = 0

    def take(self, line: str) -> None:
        """One thing told."""
        word, _, rest = line.partition(" ")
        if word == "failed":
            self.failures.append(rest)
            return
        name, number_text, what = rest.split(" ")
        number = int(number_text)
        if name == "pledges":
            self.pledges[number] = f"{word} {what}"
        known = self.acknowledged if word == "ack" else self.tried
        known[name] = max(known.get(name, 0), number)
        self.acknowledgements += word == "ack"


def check(database: skerry.Database, told: Told) -> None:
    """Everything that was acknowledged is there, and nothing by halves.  Ends the pledges that are open."""
    assert not told.failures, told.failures
    rows = database.execute("SELECT count(*), sum(balance) FROM accounts").one()
    assert rows == (ACCOUNTS, ACCOUNTS * BALANCE), f"accounts: {rows}"
    _check_balances(database)
    for table in ("journal", "transfers"):
        for name, count, last in database.execute(
            f"SELECT client, count(*), max(number) FROM {table} GROUP BY 1"
        ):
            assert count == last, f"{name}: of 1 to {last} only {count} are there"
            _check_last(told, cast(str, name), cast(int, last))
    _check_missing(database, told)
    _check_built(database, told)
    _check_bulk(database, told)
    _check_pledges(database, told)
    _check_links(database, told)
    value = cast(int, database.execute("SELECT nextval('tickets')").scalar())
    assert value > told.acknowledged.get("tickets", 0), f"ticket {value} comes again"
    told.acknowledged["tickets"] = value


def _check_last(told: Told, name: str, last: int) -> None:
    least, most = told.acknowledged.get(name, 0), told.tried.get(name, 0)
    assert least <= last <= most, f"{name}: {last} is the last; {least} was acknowledged, {most} tried"
    told.tried[name] = max(last, least)


def _check_missing(database: skerry.Database, told: Told) -> None:
    """Clients of which nothing is there at all."""
    found = {
        name for (name,) in database.execute("SELECT client FROM journal UNION SELECT client FROM transfers")
    }
    others = {"tickets", "builder", "pledges", "bulk", "links"}
    lost = {name for name in told.acknowledged if name not in found and name not in others}
    assert not lost, f"nothing is there of {lost}"


def _check_balances(database: skerry.Database) -> None:
    wrong = database.execute(
        "SELECT id, balance, entries FROM ("
        f"  SELECT id, balance, {BALANCE} + coalesce((SELECT sum(amount) FROM transfers WHERE target = id), 0)"
        "                     - coalesce((SELECT sum(amount) FROM transfers WHERE source = id), 0) AS entries"
        "  FROM accounts) a WHERE balance <> entries"
    ).fetchall()
    assert not wrong, f"balances that are not what their transfers make: {wrong}"


def _check_built(database: skerry.Database, told: Told) -> None:
    count, last = database.execute("SELECT count(*), coalesce(max(number), 0) FROM built").one()
    assert isinstance(last, int) and count == last
    _check_last(told, "builder", last)
    tables = (
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relname LIKE 'built#__%' ESCAPE '#' ORDER BY 1"
    )
    there = sorted(cast(str, name) for (name,) in database.execute(tables))
    assert there == sorted(f"built_{number}" for number in (last - 1, last) if number > 0)
    for name in there:
        number = int(name.removeprefix("built_"))
        contents = database.execute(f"SELECT count(*), min(c), max(c), count(DISTINCT b) FROM {name}").one()
        assert contents == (10, number, number, 3), f"{name}: {contents}"


def _check_bulk(database: skerry.Database, told: Told) -> None:
    found = database.execute("SELECT batch, count(*), min(i), max(i) FROM bulk GROUP BY batch").fetchall()
    last = 0
    if found:
        assert len(found) == 1 and found[0][1:] == (BULK_ROWS, 1, BULK_ROWS), f"bulk: {found}"
        last = cast(int, found[0][0])
    _check_last(told, "bulk", last)


def _check_links(database: skerry.Database, told: Told) -> None:
    nodes = {
        number: (set(labels), dict(properties))
        for number, labels, properties in database.execute(
            "MATCH (n:Link) RETURN n.number, labels(n), properties(n)"
        )
    }
    last = len(nodes)
    expected = {
        number: ({"Link", f"L{number % SHAPES}"}, {"number": number, f"p{number % SHAPES}": number})
        for number in range(1, last + 1)
    }
    assert nodes == expected, "links that are not as they were made"
    edges = database.execute("MATCH (a:Link)-[e:NEXT]->(b) RETURN b.number, a.number, properties(e)")
    found = {number: (before, dict(properties)) for number, before, properties in edges}
    made = {n: (n - 1, {f"n{n % SHAPES}": f"to {n}"}) for n in range(2, last + 1)}
    assert found == made, "edges that do not join links as they were made"
    _check_last(told, "links", last)


def _check_pledges(database: skerry.Database, told: Told) -> None:
    waiting = {int(cast(str, gid)[1:]) for (gid,) in database.execute("SELECT gid FROM pg_prepared_xacts")}
    there: dict[object, object] = {}
    for number, count in database.execute("SELECT number, count(*) FROM pledged GROUP BY number"):
        there[number] = count
    assert set(there.values()) <= {2}, f"pledged by halves: {there}"
    for number, last in told.pledges.items():
        found = "waits" if number in waiting else "there" if number in there else "gone"
        assert found in _ALLOWED[last], f"pledge {number}: {last}, but {found}"
    for number in waiting:
        database.execute(f"COMMIT PREPARED 'g{number}'")
        rows = database.execute("SELECT count(*) FROM pledged WHERE number = $1", (number,)).scalar()
        assert rows == 2, f"pledge {number} was kept by {rows} rows of 2"
        told.pledges[number] = "ack commit"
    finished = {number: last for number, last in told.pledges.items() if number in there or number in waiting}
    told.pledges = {number: "ack commit" for number in finished}


_ALLOWED = {
    "try prepare": ("waits", "gone"),
    "ack prepare": ("waits",),
    "try commit": ("waits", "there"),
    "ack commit": ("there",),
    "try rollback": ("waits", "gone"),
    "ack rollback": ("gone",),
}
