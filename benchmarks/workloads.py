"""What `isolation.py` measures: tables, pgbench scripts (scripts/), and what must hold afterwards.

| workload | transactions | what may go wrong |
|---|---|---|
| TPC-B | five statements of change and one read | nothing at any level: every read is of a row then written |
| doctors on call | count, then update one of the two rows counted | write skew |
| bank | SmallBank's five transactions, with a ledger | lost updates at READ COMMITTED, write skew below SERIALIZABLE |
| long readers | scans over all rows, beside short transfers | changing reads at READ COMMITTED |

High contention is the same work on few of the same rows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

READ_COMMITTED: Final = 0
REPEATABLE_READ: Final = 1
SERIALIZABLE: Final = 2

PURSES: Final = 10_000
PURSE_START: Final = 100
CUSTOMERS: Final = 10_000
CUSTOMER_START: Final = 100


@dataclass(frozen=True)
class Level:
    """An isolation level, and whether those who only read say so."""

    title: str
    strength: int
    name: str
    readers_say_so: bool = False


LEVELS: Final = (
    Level("READ COMMITTED", READ_COMMITTED, "read committed"),
    Level("REPEATABLE READ", REPEATABLE_READ, "repeatable read"),
    Level("SERIALIZABLE", SERIALIZABLE, "serializable"),
)
SERIALIZABLE_READ_ONLY: Final = Level("SERIALIZABLE, readers READ ONLY", SERIALIZABLE, "serializable", True)


@dataclass(frozen=True)
class Group:
    """Clients that run the same scripts, one pgbench."""

    title: str
    clients: int
    scripts: tuple[str, ...]
    only_reads: bool = False


@dataclass(frozen=True)
class Invariant:
    """Something that transactions one after another would leave alone."""

    title: str
    holds_from: int
    """The weakest level at which it is guaranteed."""
    count: str
    """A query for how often it was broken: 0 is right."""


@dataclass(frozen=True)
class Workload:
    """Tables, scripts, and what must hold afterwards."""

    title: str
    setup: tuple[str, ...]
    groups: tuple[Group, ...]
    contention: dict[str, dict[str, int]]
    """By name: variables of the scripts."""
    invariants: tuple[Invariant, ...]
    levels: tuple[Level, ...] = LEVELS
    variables: dict[str, int] = field(default_factory=dict)


TPCB = Workload(
    title="TPC-B",
    setup=(
        "DROP TABLE IF EXISTS tpcb_account, tpcb_teller, tpcb_branch, tpcb_history",
        "CREATE TABLE tpcb_account (id int PRIMARY KEY, balance bigint NOT NULL, filler char(84))",
        "CREATE TABLE tpcb_teller (id int PRIMARY KEY, balance bigint NOT NULL, filler char(84))",
        "CREATE TABLE tpcb_branch (id int PRIMARY KEY, balance bigint NOT NULL, filler char(88))",
        "CREATE TABLE tpcb_history"
        " (teller int, branch int, account int, delta int, happened timestamp, filler char(22))",
        "INSERT INTO tpcb_account SELECT n, 0, '' FROM generate_series(1, 100000) AS n",
        "INSERT INTO tpcb_teller SELECT n, 0 FROM generate_series(1, 10000) AS n",
        "INSERT INTO tpcb_branch SELECT n, 0 FROM generate_series(1, 1000) AS n",
        "VACUUM ANALYZE",
    ),
    groups=(Group("", 8, ("tpcb",)),),
    contention={"low": {"branches": 1000}, "high": {"branches": 1}},
    invariants=(
        Invariant(
            "a total differs from the history's",
            READ_COMMITTED,
            "SELECT count(*) FROM (SELECT sum(balance) AS total FROM tpcb_account"
            " UNION ALL SELECT sum(balance) FROM tpcb_teller"
            " UNION ALL SELECT sum(balance) FROM tpcb_branch) AS totals"
            " WHERE total <> (SELECT coalesce(sum(delta), 0) FROM tpcb_history)",
        ),
    ),
)

DOCTORS = Workload(
    title="doctors on call",
    setup=(
        "DROP TABLE IF EXISTS doctor, doctor_gap",
        "CREATE TABLE doctor"
        " (shift int, person int, on_call int NOT NULL, name text, PRIMARY KEY (shift, person))",
        "CREATE TABLE doctor_gap (shift int)",
        "INSERT INTO doctor SELECT n / 2 + 1, n % 2, 1, 'doctor ' || n FROM generate_series(0, 19999) AS n",
        "VACUUM ANALYZE",
    ),
    groups=(Group("", 8, ("doctors",)),),
    contention={"low": {"shifts": 10_000}, "high": {"shifts": 8}},
    invariants=(
        Invariant(
            "nobody was on call",
            SERIALIZABLE,
            "SELECT (SELECT count(*) FROM doctor_gap)"
            " + (SELECT count(*) FROM (SELECT shift FROM doctor GROUP BY shift HAVING sum(on_call) = 0) AS gap)",
        ),
    ),
)

BANK = Workload(
    title="bank",
    setup=(
        "DROP TABLE IF EXISTS saving, checking, bank_entry, bank_overdraft",
        "CREATE TABLE saving (customer int PRIMARY KEY, balance bigint NOT NULL)",
        "CREATE TABLE checking (customer int PRIMARY KEY, balance bigint NOT NULL)",
        "CREATE TABLE bank_entry (customer int, change int)",
        "CREATE TABLE bank_overdraft (customer int)",
        f"INSERT INTO saving SELECT n, {CUSTOMER_START} FROM generate_series(1, {CUSTOMERS}) AS n",
        f"INSERT INTO checking SELECT n, {CUSTOMER_START} FROM generate_series(1, {CUSTOMERS}) AS n",
        "VACUUM ANALYZE",
    ),
    groups=(Group("", 8, ("bank_balance", "bank_deposit", "bank_save", "bank_check", "bank_amalgamate")),),
    contention={"low": {"customers": CUSTOMERS}, "high": {"customers": 16}},
    invariants=(
        Invariant(
            "money came or went (1: it did)",
            REPEATABLE_READ,
            "SELECT CASE WHEN (SELECT sum(balance) FROM saving) + (SELECT sum(balance) FROM checking)"
            f" = {2 * CUSTOMER_START * CUSTOMERS} + (SELECT coalesce(sum(change), 0) FROM bank_entry)"
            " THEN 0 ELSE 1 END",
        ),
        Invariant(
            "an account was overdrawn",
            SERIALIZABLE,
            "SELECT (SELECT count(*) FROM bank_overdraft) + (SELECT count(*) FROM saving AS s"
            " JOIN checking AS c ON c.customer = s.customer WHERE s.balance + c.balance < 0)",
        ),
    ),
)

LONG_READERS = Workload(
    title="long readers, short writers",
    setup=(
        "DROP TABLE IF EXISTS purse, purse_finding",
        "CREATE TABLE purse (id int PRIMARY KEY, balance bigint NOT NULL)",
        "CREATE TABLE purse_finding (kind text)",
        f"INSERT INTO purse SELECT n, {PURSE_START} FROM generate_series(1, {PURSES}) AS n",
        "VACUUM ANALYZE",
    ),
    groups=(
        Group("readers", 2, ("long_reader",), only_reads=True),
        Group("writers", 6, ("short_writer",)),
    ),
    contention={"low": {"purses": PURSES}, "high": {"purses": 10}},
    invariants=(
        Invariant(
            "scans that saw half a transfer",
            READ_COMMITTED,
            "SELECT count(*) FROM purse_finding WHERE kind = 'torn'",
        ),
        Invariant(
            "the sum changed (1: it did)",
            READ_COMMITTED,
            f"SELECT count(*) FROM (SELECT sum(balance) AS total FROM purse) AS totals"
            f" WHERE total <> {PURSE_START * PURSES}",
        ),
        Invariant(
            "readers whose scans differed",
            REPEATABLE_READ,
            "SELECT count(*) FROM purse_finding WHERE kind = 'changed'",
        ),
        Invariant("purses below 0", REPEATABLE_READ, "SELECT count(*) FROM purse WHERE balance < 0"),
    ),
    levels=(*LEVELS, SERIALIZABLE_READ_ONLY),
    variables={"expected": PURSE_START * PURSES},
)

WORKLOADS: Final = {"tpcb": TPCB, "doctors": DOCTORS, "bank": BANK, "readers": LONG_READERS}
