"""SQLite's format of test scripts: records of statements and queries, each a case.

    statement ok                     must succeed, or fail (`statement error`)
    INSERT INTO t1 VALUES (1)

    query ITR rowsort label          the columns are printed as integers, text, reals with three digits; the values
    SELECT a, b, c FROM t1           one a line, in order (nosort), rows sorted, or values sorted
    ----
    1                                or: `30 values hashing to MD5`

`skipif NAME` and `onlyif NAME` before a record leave it out for a system, or take it for that alone; `halt` ends the
script.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

SYSTEM = "postgresql"
_HASHED = re.compile(r"(\d+) values hashing to ([0-9a-f]{32})")


@dataclass(frozen=True)
class Record:
    """A statement, or a query with its column types and expected values.  `line` is where it starts."""

    line: int
    sql: str
    is_query: bool
    fails: bool = False
    types: str = ""
    sort: str = "nosort"
    expected: tuple[str, ...] = ()


def read_records(text: str) -> Iterator[Record]:
    """The records that are for us."""
    lines = text.splitlines()
    number = 0
    while number < len(lines):
        start = number
        while number < len(lines) and lines[number].strip():
            number += 1
        block = [line for line in lines[start:number] if not line.startswith("#")]
        number += 1
        conditions = [line.split() for line in block if line.startswith(("skipif ", "onlyif "))]
        rest = [line for line in block if not line.startswith(("skipif ", "onlyif "))]
        if not rest or not all((words[1] == SYSTEM) == (words[0] == "onlyif") for words in conditions):
            continue
        words = rest[0].split()
        if words[0] == "halt":
            return
        if words[0] == "statement":
            yield Record(start + 1, "\n".join(rest[1:]), False, fails=words[1] == "error")
        elif words[0] == "query":
            yield _query(start + 1, words, rest[1:])


def _query(line: int, words: Sequence[str], rest: Sequence[str]) -> Record:
    end = rest.index("----") if "----" in rest else len(rest)
    sort = words[2] if len(words) > 2 else "nosort"
    return Record(line, "\n".join(rest[:end]), True, False, words[1], sort, tuple(rest[end + 1 :]))


def is_as_expected(record: Record, rows: Sequence[Sequence[str | None]]) -> bool:
    """Whether a query's rows, as text, are those that the record wants."""
    if any(len(row) != len(record.types) for row in rows):
        return False
    printed = [[_printed(value, kind) for value, kind in zip(row, record.types, strict=True)] for row in rows]
    if record.sort == "rowsort":
        printed.sort()
    values = [value for row in printed for value in row]
    if record.sort == "valuesort":
        values.sort()
    hashed = _HASHED.fullmatch(record.expected[0]) if len(record.expected) == 1 else None
    if hashed is None:
        return values == list(record.expected)
    digest = hashlib.md5("".join(f"{value}\n" for value in values).encode(), usedforsecurity=False)
    return len(values) == int(hashed[1]) and digest.hexdigest() == hashed[2]


def _printed(value: str | None, kind: str) -> str:
    """A value as the scripts have it."""
    if value is None:
        return "NULL"
    if kind == "T":
        return re.sub(r"[^ -~]", "@", value) if value else "(empty)"
    value = {"t": "1", "f": "0"}.get(value, value)
    try:
        return str(int(float(value))) if kind == "I" else f"{float(value):.3f}"
    except ValueError:
        return "0" if kind == "I" else "0.000"
