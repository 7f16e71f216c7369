"""Reads Hermitage's session scripts and turns each into a spec for isolationtester.

A script is a block of SQL in a page of Markdown, below a line of prose that says what it shows.  Each of its
lines is

    update test set value = 12 where id = 1; -- T2, BLOCKS. Shows 1 => 11

SQL; the session that says it (T1, T2, T3; "either" is whoever is free, here the first); and what the page
claims of the answer.  Claims that are read: rows (`1 => 11, 2 => 21`; there may be others), their absence
("returns nothing"), and errors, of the line's session or of the one that the claim names.

One change is made: where the page aborts a transaction because "this transaction has failed", it commits here.
In PostgreSQL that is the same; an optimistic transaction says only then that it has failed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from isolation.outcome import outcome_of
from isolation.spec import Spec, parse_spec
from isolation.transcript import Permutation, TranscriptError, parse_transcript

_BLOCK = re.compile(r"^(?P<prose>[^\n]+):\n\n```sql\n(?P<sql>.*?)^```$", re.MULTILINE | re.DOTALL)
_LINE = re.compile(r"^(?P<sql>.*?)\s*--\s*(?P<session>T\d|either)\b(?P<rest>.*)$", re.IGNORECASE)
_ROW = re.compile(r"(\d+) => (\d+)")
_SHOWN_ROW = re.compile(r"^\s*(\d+)\|\s*(\d+)\s*$")
_ERROR = re.compile(r"(?:(T\d) now )?prints out \"ERROR: ([^\"]*)\"", re.IGNORECASE)
_HAS_FAILED = "this transaction has failed"

Claim = Callable[[Permutation, Spec], bool]


class ScriptError(Exception):
    """The page is not as it was known; the message says where."""


@dataclass(frozen=True)
class Script:
    """One script of the page: as a spec, and what the page claims of it."""

    name: str
    text: str
    claims: tuple[Claim, ...]

    def is_right(self, transcript: str) -> bool:
        """Whether everything that the page claims is so."""
        spec = parse_spec(self.text)
        try:
            (permutation,) = parse_transcript(transcript, spec)
        except (TranscriptError, ValueError):
            return False
        return not permutation.cancelled and all(claim(permutation, spec) for claim in self.claims)


def read_scripts(page: str) -> list[Script]:
    """Every script of the page.  Raises ScriptError."""
    blocks = [(match["prose"], match["sql"]) for match in _BLOCK.finditer(page)]
    setup = next((sql for prose, sql in blocks if prose.startswith("Setup")), None)
    if setup is None:
        raise ScriptError("the page has no setup")
    scripts = [(prose, sql) for prose, sql in blocks if "-- T1" in sql]
    names = _names([prose for prose, _ in scripts])
    return [_script(name, setup, sql) for name, (_, sql) in zip(names, scripts, strict=True)]


def _names(proses: list[str]) -> list[str]:
    """Short names: the anomaly and the level, numbered where two would be alike."""
    names: list[str] = []
    for prose in proses:
        anomaly = re.search(r"\(([A-Za-z0-9-]+)\)", prose)
        level = re.search(r"\"([a-z ]+)\"", prose)
        if anomaly is None or level is None:
            raise ScriptError(f"no anomaly or level in: {prose}")
        name = f"{anomaly[1]} {level[1]}"
        same = sum(other == name or other.startswith(f"{name} (") for other in names)
        names.append(f"{name} ({same + 1})" if same else name)
    return names


def _script(name: str, setup: str, sql: str) -> Script:
    steps: dict[str, list[tuple[str, str]]] = {}
    order: list[str] = []
    claims: list[Claim] = []
    for number, line in enumerate(sql.strip().splitlines(), 1):
        match = _LINE.match(line)
        if match is None:
            raise ScriptError(f"{name}: unexpected line: {line}")
        session = "T1" if match["session"].lower() == "either" else match["session"]
        statement = match["sql"].strip()
        if _HAS_FAILED in match["rest"]:
            statement = statement.replace("abort", "commit")
        step = f"s{number}"
        steps.setdefault(session, []).append((step, statement))
        order.append(step)
        claims += _claims(step, session, match["rest"])
    parts = [f"setup {{ {setup.strip()} }}", "teardown { drop table test; }"]
    for session, found in sorted(steps.items()):
        parts.append(f"session {session}")
        parts += [f"step {step} {{ {statement} }}" for step, statement in found]
    parts.append(f"permutation {' '.join(order)}")
    return Script(name, "\n".join(parts) + "\n", tuple(claims))


def _claims(step: str, session: str, rest: str) -> list[Claim]:
    error = _ERROR.search(rest)
    if error is not None:
        return [_fails(error[1] or session, error[2])]
    rows = {(int(key), int(value)) for key, value in _ROW.findall(rest)}
    if rows or "returns nothing" in rest.lower():
        return [_shows(step, rows)]
    return []


def _shows(step: str, rows: set[tuple[int, int]]) -> Claim:
    def holds(permutation: Permutation, spec: Spec) -> bool:
        (event,) = (event for event in permutation.events if event.step == step)
        matches = [match for line in event.lines if (match := _SHOWN_ROW.match(line)) is not None]
        found = {(int(match[1]), int(match[2])) for match in matches}
        return not event.errors and rows <= found and bool(rows) == bool(found)

    return holds


def _fails(session: str, message: str) -> Claim:
    def holds(permutation: Permutation, spec: Spec) -> bool:
        fates = dict(outcome_of(permutation, spec).sessions)[session]
        shown = [
            each
            for event in permutation.events
            if event.step in spec.session_named(session).steps
            for each in event.errors
        ]
        return message in shown and all(fate != "committed" for fate, _ in fates)

    return holds
