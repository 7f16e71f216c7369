"""The graph names the anomalies of the literature, at the levels that forbid them, and at no others.

Histories are written as the papers have them:

    w1[x=1]     T1 writes version 1 of x; `x=1p`: a version that matches the predicate P
    w2[x=2<0]   T2 writes version 2 of x over version 0, not over the one before it
    d1[x]       T1 deletes x
    r2[x=1]     T2 reads version 1 of x; `r2[x=1 y=2]` in one statement
    r2[P x=1p]  T2 asks for all rows that match P, and gets version 1 of x
    c1 a1       T1 commits, T1 aborts

Version 0 of each object named in `first` is there at the start.
"""

from __future__ import annotations

import re

import pytest

from histories.graph import Facts, Installed, Node, Read, find_anomalies, weakest_name
from histories.script import READ_COMMITTED, SERIALIZABLE, SNAPSHOT
from histories.statements import Row

ALL = (READ_COMMITTED, SNAPSHOT, SERIALIZABLE)
_TOKEN = re.compile(r"([wrdca])(\d)(?:\[([^\]]*)\])?")


class _Notation:
    """Makes facts out of a history in the papers' notation."""

    def __init__(self, text: str, levels: dict[int, str] | str, first: str) -> None:
        self.facts = Facts()
        self.pending: dict[int, dict[str, Row | None]] = {}
        self.replaced: dict[tuple[int, str], int] = {}
        self.commits = 0
        self.facts.nodes[0] = Node(0, READ_COMMITTED, False, 0)
        for word in first.split():
            name, row = self._version(word)
            self._install(name, row, 0)
        tokens = [(m[1], int(m[2]), m[3] or "") for m in _TOKEN.finditer(text)]
        ends = {number: kind for kind, number, _ in tokens if kind in "ca"}
        for number in {number for _, number, _ in tokens}:
            level = levels if isinstance(levels, str) else levels[number]
            self.facts.nodes[number] = Node(number, level, ends.get(number) == "c", 1 << 30)
        for statement, (kind, number, inside) in enumerate(tokens):
            getattr(self, f"_{kind}")(number, inside, statement)

    def _version(self, word: str) -> tuple[str, Row]:
        name, _, version = word.partition("<")[0].partition("=")
        return name, (ord(name), 1 if version.endswith("p") else 0, 0, int(version.rstrip("p")), 0, "")

    def _install(self, name: str, row: Row | None, writer: int) -> None:
        order = self.facts.orders.setdefault(("t", ord(name)), [])
        before = order[-1].tag if order and order[-1].row is not None else 0
        replaced = self.replaced.get((writer, name), before)
        order.append(Installed(row, -1 if row is None else row[3], writer, self.commits, replaced))
        if row is not None:
            self.facts.written["t", ord(name), row[3]] = writer

    def _w(self, number: int, inside: str, statement: int) -> None:
        name, row = self._version(inside)
        self.pending.setdefault(number, {})[name] = row
        if "<" in inside:
            self.replaced[number, name] = int(inside.partition("<")[2])
        self.facts.written["t", ord(name), row[3]] = number

    def _d(self, number: int, inside: str, statement: int) -> None:
        self.pending.setdefault(number, {})[inside] = None

    def _r(self, number: int, inside: str, statement: int) -> None:
        words = inside.split()
        predicates = [("t", lambda row: row[1] == 1)] if "P" in words else []
        versions = [self._version(word) for word in words if word != "P"]
        own = frozenset(("t", ord(name)) for name in self.pending.get(number, {}))
        reads = [("t", row[0], row[3]) for _, row in versions]
        self.facts.reads.append(Read(number, statement, reads, predicates, 0, self.commits, own))

    def _c(self, number: int, inside: str, statement: int) -> None:
        self.commits += 1
        self.facts.nodes[number].position = self.commits
        for name, row in self.pending.get(number, {}).items():
            self._install(name, row, number)

    def _a(self, number: int, inside: str, statement: int) -> None:
        pass


ANOMALIES = {
    # name: (history, first versions, levels that forbid it, what it is called)
    "dirty write (G0)": ("w1[x=1] w2[x=2<0] w2[y=2] w1[y=1<0] c1 c2", "x=0 y=0", ALL, "G0"),
    "lost update by one statement": ("w1[x=1] c1 w2[x=2<0] c2", "x=0", ALL, "lost write"),
    "aborted read (G1a)": ("w1[x=1] r2[x=1] c2 a1", "x=0", ALL, "G1a"),
    "intermediate read (G1b)": ("w1[x=1] r2[x=1] w1[x=2] c1 c2", "x=0", ALL, "G1b"),
    "circular information flow (G1c)": ("w1[x=1] w2[y=2] r1[y=2] r2[x=1] c1 c2", "x=0 y=0", ALL, "G1c"),
    "lost update": (
        "r1[x=0] r2[x=0] w1[x=1] c1 w2[x=2] c2",
        "x=0",
        (SNAPSHOT, SERIALIZABLE),
        "G-single: lost update",
    ),
    "read skew": (
        "r1[x=0] w2[x=2] w2[y=3] c2 r1[y=3] c1",
        "x=0 y=0",
        (SNAPSHOT, SERIALIZABLE),
        "G-single: read skew",
    ),
    "non-repeatable read": ("r1[x=0] w2[x=2] c2 r1[x=2] c1", "x=0", (SNAPSHOT, SERIALIZABLE), "G-single"),
    "predicate-many-preceders (PMP)": (
        "r1[P] w2[x=2p] c2 r1[P x=2p] c1",
        "x=0",
        (SNAPSHOT, SERIALIZABLE),
        "G-single: phantom",
    ),
    "phantom insert, seen by a count elsewhere": (
        "r1[P x=0p] w2[y=2p] w2[z=3] c2 r1[z=3] c1",
        "x=0p z=0",
        (SNAPSHOT, SERIALIZABLE),
        "G-single: phantom",
    ),
    "phantom delete": ("r1[P x=0p] d2[x] c2 r1[P] c1", "x=0p", (SNAPSHOT, SERIALIZABLE), "G-single"),
    "observed transaction vanishes (OTV)": (
        "w1[x=1] w1[y=1] w2[x=2] w2[y=2] c1 r3[x=1] c2 r3[y=2] r3[x=2] c3",
        "x=0 y=0",
        (SNAPSHOT, SERIALIZABLE),
        "G-single",
    ),
    "half a transaction in one statement": (
        "w1[x=1] w1[y=1] c1 r2[x=1 y=0] c2",
        "x=0 y=0",
        ALL,
        "",
    ),
    "half a transaction in one statement, by predicate": (
        "w1[x=1p] w1[y=2p] c1 r2[P x=1p] c2",
        "x=0 y=0",
        ALL,
        "",
    ),
    "write skew (G2-item)": (
        "r1[x=0 y=0] r2[x=0 y=0] w1[x=1] w2[y=2] c1 c2",
        "x=0 y=0",
        (SERIALIZABLE,),
        "G2-item",
    ),
    "write skew by predicate (G2)": ("r1[P] r2[P] w1[x=1p] w2[y=2p] c1 c2", "", (SERIALIZABLE,), "G2"),
    "read-only anomaly (Fekete)": (
        "r2[x=0 y=0] r1[y=0] w1[y=1] c1 r3[x=0 y=1] c3 w2[x=2] c2",
        "x=0 y=0",
        (SERIALIZABLE,),
        "G2-item",
    ),
}


@pytest.mark.parametrize("level", ALL)
@pytest.mark.parametrize("name", ANOMALIES)
def test_anomalies_of_the_literature(name: str, level: str) -> None:
    text, first, forbidden, called = ANOMALIES[name]
    found = find_anomalies(_Notation(text, level, first).facts)
    if level not in forbidden:
        assert found == []
        return
    assert found and called in found[0].name
    assert all(each.cycle or each.message for each in found)


@pytest.mark.parametrize(
    "text",
    [
        "r1[x=0] w1[x=1] c1 r2[x=1] w2[x=2] c2",
        "w1[x=1] c1 w2[x=2] a2 r3[x=1] c3",
        "r1[P] c1 w2[x=2p] c2 r3[P x=2p] c3",
        "r1[P x=0p] w1[y=1p] r1[P x=0p y=1p] c1",
        "w1[x=1p] w1[x=2p] r1[P x=2p] c1 r2[P x=2p] c2",
        "r1[x=0] r2[y=0] w1[x=1] w2[y=2] c1 c2",
        "r1[P x=0p] w2[x=2] c2 w3[x=3p] c3 c1",
    ],
)
def test_what_no_level_forbids(text: str) -> None:
    assert (
        find_anomalies(_Notation(text, SERIALIZABLE, "x=0p y=0" if "x=0p" in text else "x=0 y=0").facts) == []
    )


@pytest.mark.parametrize(
    ("levels", "is_forbidden"),
    [
        ({1: SERIALIZABLE, 2: SERIALIZABLE}, True),
        ({1: SERIALIZABLE, 2: SNAPSHOT}, False),
        ({1: SERIALIZABLE, 2: READ_COMMITTED}, False),
    ],
)
def test_write_skew_is_forbidden_among_serializable_only(levels: dict[int, str], is_forbidden: bool) -> None:
    facts = _Notation("r1[x=0 y=0] r2[x=0 y=0] w1[x=1] w2[y=2] c1 c2", levels, "x=0 y=0").facts
    assert bool(find_anomalies(facts)) is is_forbidden
    assert weakest_name(facts) == "G2-item"


def test_a_snapshot_transaction_is_held_to_its_level_among_weaker_ones() -> None:
    text = "r1[x=0] w2[x=2] w2[y=3] c2 r1[y=3] c1"
    assert find_anomalies(_Notation(text, {1: SNAPSHOT, 2: READ_COMMITTED}, "x=0 y=0").facts)
    assert not find_anomalies(_Notation(text, {1: READ_COMMITTED, 2: SNAPSHOT}, "x=0 y=0").facts)


def test_cycle_is_shown() -> None:
    facts = _Notation("r1[x=0 y=0] r2[x=0 y=0] w1[x=1] w2[y=2] c1 c2", SERIALIZABLE, "x=0 y=0").facts
    shown = str(find_anomalies(facts)[0]).splitlines()
    assert shown[0] == "G2-item: write skew at serializable"
    assert sorted(line.split()[0] for line in shown[1:]) == ["T1", "T2"]
