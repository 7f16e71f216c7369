"""psql's backslash commands: what they print of the same schema, in front of PostgreSQL and of Skerry.

One psql runs all commands of `commands.txt`, in a database that `schema.sql` made.  Its output is cut at marks, one
piece for each command.  A command passes

- **by text**: the two pieces are equal, character by character, but for what differs between any two servers
  (`MASKS`: ports, sizes);
- **by subset**: `rulings.toml` says so, and why: the two tables have the same heading and every row that Skerry shows
  is one of PostgreSQL's, but for the columns that the ruling names.  So lists of what is built in are compared:
  Skerry has fewer types, functions and operators, and keeps no sentences about them;
- **by superset**: likewise, the other way round: what Skerry shows more is its own.

Otherwise it does not apply, since it asks for what Skerry does not have, by ruling; or it fails.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

HERE = Path(__file__).resolve().parent
TEXT, SUBSET, SUPERSET, NOT_APPLICABLE, FAILING = "text", "subset", "superset", "not applicable", "failing"
KINDS = (SUBSET, SUPERSET, NOT_APPLICABLE, FAILING)
MARK = "--- command"
TIMEOUT_S = 120


class NoPsql(Exception):
    """There is no psql to run."""


class Server(Protocol):
    """Where a server listens: `support.postgres_server.Address`."""

    @property
    def port(self) -> int: ...

    def environment(self) -> dict[str, str]: ...


@dataclass(frozen=True)
class Ruling:
    """What is expected of a command, and why."""

    kind: str
    reason: str
    apart_from: tuple[str, ...] = ()
    """Columns that are not compared."""


@dataclass(frozen=True)
class Verdict:
    """What was measured of a command; `expected` is what the rulings say."""

    command: str
    outcome: str
    expected: Ruling

    @property
    def is_worse(self) -> bool:
        """Whether the command did less than the rulings say."""
        return self.outcome not in (TEXT, self.expected.kind)

    @property
    def is_surprise(self) -> bool:
        """Whether the command did other than the rulings say, for better or worse."""
        if self.expected.kind in (NOT_APPLICABLE, FAILING):
            return self.outcome == TEXT
        return self.outcome != self.expected.kind


def read_commands() -> list[str]:
    """The commands, one a line."""
    return (HERE / "commands.txt").read_text().splitlines()


def read_rulings(path: Path = HERE / "rulings.toml") -> dict[str, Ruling]:
    """The rulings by command.  Raises ValueError for an unknown kind, no reason, and a command named twice."""
    found: dict[str, Ruling] = {}
    for group in tomllib.loads(path.read_text())["ruling"]:
        ruling = Ruling(group["kind"], group["reason"], tuple(group.get("apart_from", ())))
        if ruling.kind not in KINDS or not ruling.reason:
            raise ValueError(f"a ruling needs a kind and a reason: {group}")
        for command in group["commands"]:
            if command in found:
                raise ValueError(f"{command} is named twice")
            found[command] = ruling
    return found


# --- running ------------------------------------------------------------------------------------------------


def psql_program() -> str:
    """The psql on the path.  Raises NoPsql."""
    found = shutil.which("psql")
    if found is None:
        raise NoPsql("no psql on the path")
    return found


def describe(server: Server, commands: Sequence[str], schema: str, database: str = "described") -> list[str]:
    """What psql prints for each command, in a database of that schema.  Raises RuntimeError if it can't be made."""
    made = f"DROP DATABASE IF EXISTS {database};\nCREATE DATABASE {database};\n\\c {database}\n{schema}"
    before = _psql(server, ["-q", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=terse", "-f", "-"], made)
    if before.returncode != 0:
        raise RuntimeError(f"the schema can't be made: {before.stdout}")
    script = "".join(f"\\echo {MARK} {number}\n{command}\n" for number, command in enumerate(commands))
    said = _psql(server, ["-d", database, "-f", "-"], script).stdout
    pieces = re.split(rf"^{MARK} \d+\n", said, flags=re.MULTILINE)[1:]
    if len(pieces) != len(commands):
        raise RuntimeError(f"psql ended early: {said[-1000:]}")
    return [_masked(piece, server) for piece in pieces]


def _psql(server: Server, arguments: Sequence[str], script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [psql_program(), "-X", *arguments],
        input=script,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **server.environment(), "PGTZ": "UTC", "PGCLIENTENCODING": "UTF8"},
        timeout=TIMEOUT_S,
        check=False,
    )


def _masked(text: str, server: Server) -> str:
    """The text without what differs between any two servers, and a table's padding with it."""
    text = re.sub(rf'"{server.port}"', '"PORT"', text)
    text = re.sub(r"psql:<stdin>:\d+: ", "", text)
    if re.search(r"\b\d+ (?:bytes|[kM]B)\b", text):
        text = re.sub(r"\b\d+ (?:bytes|[kM]B)\b", "SIZE", text)
        text = re.sub(r" {2,}", " ", re.sub(r"-{2,}", "--", text))
    return text


# --- judging ------------------------------------------------------------------------------------------------


def judge(command: str, postgres: str, skerry: str, ruling: Ruling | None) -> Verdict:
    """Compare what a command printed in front of both."""
    expected = ruling or Ruling(TEXT, "")
    if postgres == skerry:
        return Verdict(command, TEXT, expected)
    if ruling is not None and ruling.kind in (SUBSET, SUPERSET):
        less, more = (skerry, postgres) if ruling.kind == SUBSET else (postgres, skerry)
        if _is_part(_rows(less), _rows(more), ruling.apart_from):
            return Verdict(command, ruling.kind, expected)
    if ruling is not None and ruling.kind == NOT_APPLICABLE:
        return Verdict(command, NOT_APPLICABLE, expected)
    return Verdict(command, FAILING, expected)


def _is_part(less: list[list[str]], more: list[list[str]], apart_from: Sequence[str]) -> bool:
    """Whether headings are equal and every row of `less` is one of `more`, but for the columns left out."""
    if not less or not more or less[0] != more[0] or len(less) < 2:
        return False
    left_out = {number for number, name in enumerate(less[0]) if name in apart_from}

    def shown(row: list[str]) -> tuple[str, ...]:
        return tuple(cell for number, cell in enumerate(row) if number not in left_out)

    known = {shown(row) for row in more[1:]}
    return all(shown(row) in known for row in less[1:])


def _rows(text: str) -> list[list[str]]:
    """The heading and the rows of a printed table."""
    lines = [line for line in text.splitlines() if "|" in line or line.startswith(" ")]
    lines = [line for line in lines if line.count("|") == max(each.count("|") for each in lines)]
    return [[cell.strip() for cell in line.split("|")] for line in lines]
