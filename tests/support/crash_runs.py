"""Random transactions of several sessions on a disk that can crash, and what each moment of the run promises.

One thread steps everything, in an order drawn from a seed: units of statements, and the three parts of a flush of the
log, so that commits are appended while a group is being written.  The run keeps

    states    by epoch: catalog, and rows by row id, as the running engine has them when the epoch is published
    promises  by position in the disk's journal: what a client had been told, or could have read, when so much had
              been written

so that whatever is found after a crash must be the state of one epoch, whole, and no older than the promise.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from difflib import unified_diff
from random import Random
from typing import cast

from skerry_engine.catalog.catalog import Catalog
from skerry_engine.catalog.codec import encode_catalog
from skerry_engine.catalog.objects import Table
from skerry_engine.durability.database import open_disk
from skerry_engine.engine import Engine
from skerry_engine.errors import DatabaseError
from skerry_engine.session.session import Session
from skerry_engine.session.steps import Rows, Wait, Waiting
from skerry_engine.storage.heap import Row
from skerry_engine.storage.index import Index
from skerry_engine.storage.reader import TableReader
from skerry_engine.txn.durable_log import Flush
from skerry_engine.txn.transaction import Transaction
from support.crash_disk import CrashDisk
from support.graph_rows import shown
from support.sessions import Steps, answered

State = dict[str, object]
NO_GC = 1 << 40
LOOKED_UP = 100
"""Of so many rows of a table it is checked that each of its indexes finds them by key."""
SETUP = (
    "create table t (id int primary key, v int, s text); create index t_v on t (v)",
    "create table u (id serial primary key, t_id int references t on delete cascade, n numeric)",
    "create unique index u_n on u (n) where n > 0; create sequence told",
    "insert into t select i, i % 3, repeat('s', i * 7) from generate_series(1, 12) i",
    "for i in range(1, 12) insert (:P {x: -i})-[:R {a: i}]->(:Q {a: 'first'})",
)


def tables_at(engine: Engine, epoch: int) -> list[Table]:
    """The tables of every database as of an epoch, temporary ones aside."""
    catalog = cast(Catalog, engine.manager.catalog_at(epoch))
    return [t for d in catalog.databases.values() for t in d.tables() if not t.is_temporary]


def state_at(engine: Engine, epoch: int) -> State:
    """What was committed at an epoch that nothing of is collected yet."""
    catalog = json.loads(encode_catalog(cast(Catalog, engine.manager.catalog_at(epoch))))
    del catalog["next_oid"]  # counts also for those who were rolled back
    state: State = {"catalog": catalog}
    for table in tables_at(engine, epoch):
        storage = engine.stores.find(table.storage_id)
        if storage is None:  # replaced by a commit that was published together with this one
            state[f"{table.oid} {table.name}"] = None
            continue
        reader = TableReader(storage, epoch, None, 0)
        rows: dict[int, object] = {}
        after = -1
        while True:
            ids, found, after = reader.scan_ids_batch(after, 10_000)
            for row_id, row in zip(ids, found, strict=True):
                rows[row_id] = shown(storage.shapes, row) if storage.shapes else row[: table.width]
            if after < 0:
                break
        state[f"{table.oid} {table.name}"] = rows
    return state


def differences(expected: State, found: State) -> list[str]:
    """In words, what was found that is other than expected."""
    told = []
    for name in expected.keys() | found.keys():
        one, other = expected.get(name), found.get(name)
        if name == "catalog":
            lines = unified_diff(_lines(one), _lines(other), lineterm="", n=0)
            told += [f"{name}: {line}" for line in lines]
        elif isinstance(one, dict) and isinstance(other, dict):
            ids = [i for i in one.keys() | other.keys() if one.get(i) != other.get(i)]
            told += [f"{name} row {i}: {one.get(i)} became {other.get(i)}" for i in sorted(ids)]
        elif (one is None) != (other is None) and not (name in expected and name in found):
            told.append(f"{name}: {'is missing' if other is None else 'has come'}")
    return told


def _lines(catalog: object) -> list[str]:
    return json.dumps(catalog, indent=1, sort_keys=True).splitlines()


def check_indexes(engine: Engine) -> None:
    """Every index, read from end to end, gives exactly the rows that have a key in it, and finds each by key."""
    epoch = engine.manager.published
    for table in tables_at(engine, epoch):
        storage = engine.stores.get(table.storage_id)
        reader = TableReader(storage, epoch, None, 0)
        rows = reader.scan_batch(-1, 1 << 30)[0]
        for index in storage.indexes.values():
            found = _scanned(reader, index)
            wanted = [row for row in rows if index.values(row) is not None]
            looked_up = wanted if len(wanted) <= LOOKED_UP else wanted[:: len(wanted) // LOOKED_UP]
            assert all(row in reader.lookup_all(index, index.key(row)) for row in looked_up)
            assert sorted(found, key=repr) == sorted(wanted, key=repr), (
                f"index {index.index_id} of {table.name}"
            )


def _scanned(reader: TableReader, index: Index) -> list[Row]:
    found: list[Row] = []
    after: bytes | None = None
    while True:
        _, rows, after = reader.index_batch(index, None, None, after, 10_000)
        found += rows
        if after is None:
            return found


@dataclass
class Promise:
    """What must be there, from a position in the journal on."""

    position: int
    epoch: int = 0
    ticket: int = 0
    prepared: dict[str, str] = field(default_factory=dict)
    """By gid: 'there', 'gone', or 'either' while PREPARE, COMMIT or ROLLBACK PREPARED is under way."""


class Client:
    """A session that runs one random statement after the other."""

    def __init__(self, run: CrashRun, name: str) -> None:
        self.run = run
        self.name = name
        self.session: Session = run.engine.open_session("postgres", "skerry", {})
        self.is_synchronous = True
        self.text = ""
        self.waiting: Waiting | None = None
        self.steps: Steps | None = None
        self._transaction: Transaction | None = None
        self._rows: list[tuple[object, ...]] = []
        self.told = 0

    @property
    def can_go_on(self) -> bool:
        return self.waiting is None or self.waiting.is_over()

    def begin(self, text: str) -> None:
        self.text, self._rows, self._transaction = text, [], None
        self.steps = answered(self.session, text)
        self.step()

    def step(self) -> None:
        """One unit."""
        assert self.steps is not None
        self.waiting = None
        try:
            step = next(self.steps, None)
        except DatabaseError as error:
            self._end(error)
            return
        if self.session.transaction is not None:
            self._transaction = self.session.transaction
        if step is None:
            self._end(None)
        elif isinstance(step, Wait):
            self.waiting = step.waiting
        elif isinstance(step, Rows):
            self._rows += step.rows

    def _end(self, error: DatabaseError | None) -> None:
        self.steps = None
        self.run.ended(self, error, self._transaction, self._rows)
        if error is not None and error.ends_session:
            self.session.close()


class CrashRun:
    """One run.  `disk.journal` and `promises` belong together."""

    def __init__(
        self, seed: int, clients: int = 3, all_synchronous: bool = True, segment_bytes: int = 8192
    ) -> None:
        self.dice = Random(seed)
        self.disk = CrashDisk(seed=seed)
        self.engine = Engine(NO_GC)
        self.durable = self.engine.durable = open_disk(self.engine, self.disk, segment_bytes=segment_bytes)
        self.states: dict[int, State] = {}
        self.promises = [Promise(0, epoch=1)]
        self.errors: list[DatabaseError] = []
        self.commit_epoch_of: dict[str, int] = {}
        self._all_synchronous = all_synchronous
        self._flush: Flush | None = None
        self._is_written = False
        self._gids = 0
        self._values = 0
        self.has_many = False
        self._watcher = self.engine.manager.begin("snapshot", take_snapshot=True)
        self.note()
        self.clients = [Client(self, f"c{number}") for number in range(clients)]
        for text in SETUP:
            self._to_the_end(self.clients[0], text)
        if not all_synchronous:
            for client in self.clients[1:]:
                self._to_the_end(client, "set synchronous_commit = off")
                client.is_synchronous = False

    # --- what is promised ----------------------------------------

    def note(self) -> None:
        """Record the states of epochs that were published just now."""
        manager = self.engine.manager
        first = max(self.states, default=0) + 1
        for epoch in range(first, manager.published + 1):
            self.states[epoch] = state_at(self.engine, epoch)
        if first <= manager.published:
            self._watcher.close()
            self._watcher = manager.begin("snapshot", take_snapshot=True)
            if self._all_synchronous:  # what others may have read is durable
                self._promise(epoch=manager.published)

    def _promise(self, epoch: int = 0, ticket: int = 0, gid: str = "", status: str = "") -> None:
        last = self.promises[-1]
        prepared = {**last.prepared, gid: status} if gid else last.prepared
        position = len(self.disk.journal)
        made = Promise(position, max(epoch, last.epoch), max(ticket, last.ticket), prepared)
        self.promises.append(made)

    def promise_at(self, position: int) -> Promise:
        """The last promise made when so many operations had been done."""
        return next(p for p in reversed(self.promises) if p.position <= position)

    def ended(
        self,
        client: Client,
        error: DatabaseError | None,
        transaction: Transaction | None,
        rows: list[tuple[object, ...]],
    ) -> None:
        """A client was told how its statement ended."""
        if error is not None:
            self.errors.append(error)
        word, gid = _prepared_command(client.text)
        if error is None and client.is_synchronous:
            self.note()
            epoch = 0 if transaction is None or transaction.state != "committed" else transaction.commit_epoch
            if epoch and self.states[epoch] != self.states[epoch - 1]:
                self._promise(epoch=epoch)
            if client.text == "select nextval('told')" and client.session.transaction is None:
                self._promise(ticket=cast(int, rows[0][0]))
        if not gid or (error is not None and error.ends_session):
            return
        is_prepared = any(p.gid == gid for p in self.engine.manager.prepared.all())
        if word != "prepare" and error is None:
            self._promise(gid=gid, status="gone")
        elif word == "prepare" and is_prepared:
            self._promise(gid=gid, status="there")
        elif word == "prepare" and error is not None:
            self._promise(gid=gid, status="gone")

    # --- what is done ----------------------------------------

    def run(self, actions: int) -> None:
        """So many random actions, then a quiet end: all commits durable."""
        for _ in range(actions):
            self.act()
        self.settle()

    def act(self) -> None:
        """One action: a unit of somebody's statement, or a part of a flush."""
        able = [client for client in self.clients if client.can_go_on and not client.session.closed]
        if able and self.dice.random() < 0.8:
            client = self.dice.choice(able)
            if client.steps is None:
                self._begin(client)
            else:
                client.step()
        else:
            self.flush_a_part()
        self.note()

    def settle(self) -> None:
        """Let everything end that can; open blocks are rolled back."""
        for _ in range(10_000):
            busy = [
                client for client in self.clients if client.steps is not None and not client.session.closed
            ]
            able = [client for client in busy if client.can_go_on]
            log = self.durable.log
            is_to_flush = self._flush is not None or (log.is_waited_for() and log.failure is None)
            if not busy and not is_to_flush:
                break
            if able:
                self.dice.choice(able).step()
            elif is_to_flush:
                self.flush_a_part()
            else:
                self._let_one_go()
            self.note()
        else:
            raise AssertionError("the run does not end")
        for epoch in range(self.engine.manager.published + 1, self.engine.manager.last_epoch + 1):
            self.states[epoch] = state_at(self.engine, epoch)  # nobody was told, and nobody knows

    def _let_one_go(self) -> None:
        """All that run wait for locks of those that don't."""
        for client in self.clients:
            if client.steps is None and client.session.in_block:
                client.begin("rollback")
                return
        gids = [prepared.gid for prepared in self.engine.manager.prepared.all()]
        assert gids, "everybody waits for nobody"
        helper = Client(self, "helper")
        self._to_the_end(helper, f"rollback prepared '{gids[0]}'")
        helper.session.close()

    def _to_the_end(self, client: Client, text: str) -> None:
        _, gid = _prepared_command(text)
        if gid:
            self._promise(gid=gid, status="either")
        client.begin(text)
        while client.steps is not None:
            if client.can_go_on:
                client.step()
            else:
                self.flush_a_part()
            self.note()

    def flush_a_part(self) -> None:
        """Take, write, or finish: one after the other, with whatever happens in between."""
        log = self.durable.log
        if self._flush is None:
            self._flush = log.take()
            self._is_written = False
        elif not self._is_written:
            self._is_written = True
            try:
                log.write(self._flush)
            except (OSError, DatabaseError) as error:
                flush, self._flush = self._flush, None
                log.finish(flush, error)
        else:
            flush, self._flush = self._flush, None
            log.finish(flush)

    # --- statements ----------------------------------------

    def _begin(self, client: Client) -> None:
        text = self._statement(client)
        _, gid = _prepared_command(text)
        if gid:
            self._promise(gid=gid, status="either")
        client.begin(text)

    def _statement(self, client: Client) -> str:
        dice = self.dice
        if client.session.failed:
            return "rollback"
        if client.session.in_block:
            return dice.choice(_IN_BLOCK)(self) if dice.random() < 0.6 else dice.choice(_ENDINGS)(self)
        if dice.random() < 0.3:
            return dice.choice(
                ("begin", "begin isolation level repeatable read", "begin isolation level serializable")
            )
        return dice.choice(_ALONE)(self)

    def value(self) -> int:
        """A number that was not there before."""
        self._values += 1
        return self._values

    def gid(self) -> str:
        self._gids += 1
        return f"g{self._gids}"

    def some_gid(self) -> str | None:
        gids = [prepared.gid for prepared in self.engine.manager.prepared.all()]
        return self.dice.choice(gids) if gids else None

    # --- what is found ----------------------------------------

    def check(self, disk: CrashDisk, position: int, after: int = 0) -> int:
        """Open what a crash at a position of the journal has left; the epoch found, which is not below `after`."""
        engine = Engine(NO_GC)
        durable = engine.durable = open_disk(engine, disk, segment_bytes=8192)
        promise = self.promise_at(position)
        epoch = engine.manager.published
        least = max(promise.epoch, after)
        while least > 1 and self.states[least] == self.states[least - 1]:
            least -= 1  # a commit of nothing that is kept, such as rows of a temporary table
        assert epoch >= least, f"epoch {epoch} is found, {least} was promised"
        assert epoch in self.states, f"epoch {epoch} was never published"
        wrong = differences(self.states[epoch], state_at(engine, epoch))
        assert not wrong, "\n".join([f"at epoch {epoch}:", *wrong[:50]])
        check_indexes(engine)
        self._check_prepared(engine, promise)
        self._check_tickets(engine, promise)
        assert durable.log.failure is None
        return epoch

    def _check_prepared(self, engine: Engine, promise: Promise) -> None:
        found = {prepared.gid for prepared in engine.manager.prepared.all()}
        for gid in found | promise.prepared.keys():
            status = promise.prepared.get(gid, "gone")
            assert status == "either" or (gid in found) == (status == "there"), (
                f"{gid}: {status}, {sorted(found)}"
            )

    def _check_tickets(self, engine: Engine, promise: Promise) -> None:
        catalog = engine.published_catalog()
        sequence = next(
            (s for d in catalog.databases.values() for s in d.sequences() if s.name == "told"), None
        )
        if sequence is not None:
            value = engine.sequences.nextval(sequence)
            assert value > promise.ticket, f"{value} was given out before, up to {promise.ticket}"


def _prepared_command(text: str) -> tuple[str, str]:
    """The word and the gid of PREPARE TRANSACTION, COMMIT PREPARED, ROLLBACK PREPARED; else nothing."""
    word, _, rest = text.partition(" ")
    second, _, gid = rest.partition(" ")
    return (
        (word, gid.strip("'")) if second in ("transaction", "prepared") and gid.startswith("'") else ("", "")
    )


Maker = Callable[[CrashRun], str]


def _t(run: CrashRun) -> int:
    return run.dice.randrange(1, 20)


_CHANGES: list[Maker] = [
    lambda run: f"insert into t values ({_t(run)}, {run.value()}, repeat('x', {run.dice.randrange(700)}))",
    lambda run: f"insert into t values ({_t(run)}, 0, 'c') on conflict (id) do update set v = t.v + 100",
    lambda run: f"update t set v = {run.value()} where id = {_t(run)}",
    lambda run: f"update t set v = v + 1, s = s || 'y' where v < {_t(run)}",
    lambda run: f"update t set id = id + 100 where id = {_t(run)}",
    lambda run: f"delete from t where id = {_t(run)}",
    lambda run: f"insert into u (t_id, n) values ({_t(run)}, {run.dice.randrange(-3, 9)})",
    lambda run: f"insert into u (t_id) select id from t where id % 4 = {run.dice.randrange(4)} returning id",
    lambda run: f"delete from u where id % 5 = {run.dice.randrange(5)}",
    lambda run: "select nextval('told')",
    lambda run: f"select setval('u_id_seq', {1000 + run.value()})",
]
_GRAPH_CHANGES: list[Maker] = [
    lambda run: f"insert (:P {{x: {run.value()}, {_property(run)}}})",
    lambda run: f"insert (:P {{x: {run.value()}}})-[:R {{{_property(run)}}}]->(:Q&P {{x: {run.value()}}})",
    lambda run: (
        f"match (n:P), (m:P) where n.x % 7 = {_t(run) % 7} and m.x % 5 = 0 insert (n)-[:R {{{_property(run)}}}]->(m)"
    ),
    lambda run: f"match (n:P) where n.x % 6 = {_t(run) % 6} set n:Q, n.y = {run.value()}",
    lambda run: f"match (n:Q) where n.x % 4 = {_t(run) % 4} remove n:Q, n.a",
    lambda run: f"match (n:P) where n.x % 9 = {_t(run) % 9} detach delete n",
    lambda run: f"match ()-[e:R]->(m) where m.x % 5 = {_t(run) % 5} delete e",
    lambda run: (
        f"merge (n:M {{k: {_t(run)}}}) on create set n.made = {run.value()} on match set n.{_property(run, ' = ')}"
    ),
]
_GRAPH_DEFINITIONS: list[Maker] = [
    lambda run: f"create graph g{run.value()} any; use g{run._values} insert (:P {{{_property(run)}}})",
    lambda run: "create index if not exists by_x for (n:P) on (n.x)",
    lambda run: "create constraint if not exists one_k for (n:M) require n.k is key",
    lambda run: "create or replace graph copied as copy of home",
    lambda run: (
        "create graph if not exists closed {(:A {k int})-[:R]->(:B)}; use closed insert (:A {k: 1})-[:R]->(:B)"
    ),
    lambda run: "drop graph if exists copied",
]


def _property(run: CrashRun, equals: str = ": ") -> str:
    """A property that has many types."""
    value = run.dice.choice(
        ("1", "1.5", "true", "'text'", "[1, 2]", "[1, 'x']", "date '2020-02-02'", "1e3", "{f: 1}")
    )
    return f"{run.dice.choice('abc')}{equals}{value}"


_DEFINITIONS: list[Maker] = [
    lambda run: (
        f"create table d{run.value()} (a int primary key, b text default 'b'); "
        f"insert into d{run._values} values (1), (2); create index on d{run._values} (b)"
    ),
    lambda run: f"alter table t add column c{run.value()} int default {_t(run)}",
    lambda run: "create index if not exists t_more on t (s, v desc)",
    lambda run: "create view w as select t.id, count(*) from t join u on u.t_id = t.id group by t.id",
    lambda run: "drop view if exists w",
    lambda run: f"create sequence s{run.value()} start 5; select nextval('s{run._values}')",
    lambda run: "truncate u restart identity",
    lambda run: f"create temp table if not exists mine (a int); insert into mine values ({run.value()})",
    lambda run: "alter table u alter column n type text using n::text; drop index if exists u_n",
    lambda run: f"comment on table t is 'remark {run.value()}'",
]


def _many(run: CrashRun) -> str:
    """More rows than are installed in one unit; once in a run, since every state that is compared holds them."""
    if run.has_many:
        return run.dice.choice(
            (
                "delete from t where id >= 1000",
                "update t set v = v + 1 where id >= 1000",
                "match (n:Many) set n.w = n.i, n:More",
                "match (n:Many) detach delete n",
            )
        )
    run.has_many = True
    if run.dice.random() < 0.5:
        return "for i in range(1, 1100) insert (:Many {i: i})-[:OF]->(:Many)"
    return "insert into t select i, i, repeat('z', i % 40) from generate_series(1000, 2020) i"


_ENDINGS: list[Maker] = [
    lambda run: "commit",
    lambda run: "commit",
    lambda run: "commit",
    lambda run: "rollback",
    lambda run: f"prepare transaction '{run.gid()}'",
]


def _finish_prepared(run: CrashRun) -> str:
    gid = run.some_gid()
    return "select 1" if gid is None else f"{run.dice.choice(('commit', 'rollback'))} prepared '{gid}'"


_IN_BLOCK: list[Maker] = [
    *_CHANGES,
    *_CHANGES,
    *_GRAPH_CHANGES,
    *_GRAPH_CHANGES,
    *_DEFINITIONS,
    *_GRAPH_DEFINITIONS,
    lambda run: "savepoint s",
    lambda run: "rollback to s",
    lambda run: "select sum(v) from t",
    _many,
]
_ALONE: list[Maker] = [
    *([*_CHANGES, *_GRAPH_CHANGES] * 3),
    *_DEFINITIONS,
    *_GRAPH_DEFINITIONS,
    _many,
    *([_finish_prepared] * 6),
]
