"""Statements of histories in GQL: the same rows, as nodes and edges of the graph `home`.

    vertex   a node labelled V, and G0 or G1 by its group; its row is its properties     (v:V&G1 {k: 3, g: 1, n: 30, ...})
    link     an edge labelled L from the vertex whose key is the row's `g` to a hub      (v)-[e:L {k: 7, n: 70, ...}]->(hub)

So a group is a label, a link is a child of its vertex, and a vertex does not go before its links, unless by DETACH.
What a statement means is what SQL's of the same name means; only its text is another.
"""

from __future__ import annotations

from histories import statements as st
from histories.statements import TAG, Change, Condition, G, K, N, Outcome, Row, State

VERTEX = "vertex"
LINK = "link"
TABLES = (VERTEX, LINK)
GROUPS = 2

SETUP = "create constraint vertex_k for (v:V) require v.k is unique"
"""What the graph has besides elements."""

LISTED = {
    VERTEX: "match {where} return v.k, v.g, v.n, v.tag, v.prev, v.log",
    LINK: "match {where} return e.k, v.k as g, e.n, e.tag, e.prev, e.log",
}
VARIABLE = {VERTEX: "v", LINK: "e"}


# --- conditions: patterns ------------------------------------------------------------------------------------


def _pattern(table: str, inside: str = "", vertex: str = "v:V") -> str:
    return f"({vertex}{inside})" if table == VERTEX else f"({vertex})-[e:L{inside}]->()"


def everything(table: str) -> Condition:
    """All of them."""
    return Condition(_pattern(table), lambda row: True)


def by_key(table: str, key: int) -> Condition:
    """The one of that key."""
    return Condition(_pattern(table, f" {{k: {key}}}"), lambda row: row[K] == key, key)


def by_group(table: str, group: int) -> Condition:
    """Vertices by label, links by the vertex that they begin at."""
    vertex = f"v:V&G{group}" if table == VERTEX else f"v:V {{k: {group}}}"
    return Condition(_pattern(table, "", vertex), lambda row: row[G] == group)


def by_range(table: str, low: int, high: int) -> Condition:
    """By a property that no index has."""
    name = VARIABLE[table]
    inside = f" where {name}.n >= {low} and {name}.n < {high}"
    return Condition(_pattern(table, inside), lambda row: row[N] is not None and low <= row[N] < high)


def by_tag(table: str, divisor: int, rest: int) -> Condition:
    """By something computed."""
    inside = f" where {VARIABLE[table]}.tag % {divisor} = {rest}"
    return Condition(_pattern(table, inside), lambda row: row[TAG] % divisor == rest)


# --- reading -------------------------------------------------------------------------------------------------


class Match(st.Select):
    """Rows by a pattern."""

    def __init__(self, table: str, where: Condition) -> None:
        super().__init__(table, where)
        self.text = LISTED[table].format(where=where.text)


class MatchNumbers(st.Aggregate):
    """Numbers about what a pattern finds."""

    def __init__(self, table: str, where: Condition) -> None:
        super().__init__(table, where)
        name = VARIABLE[table]
        self.text = (
            f"match {where.text} return count(*) as c, coalesce(sum({name}.n), 0) as s,"
            f" coalesce(max({name}.tag), 0) as t"
        )


class Neighbours(st.Statement):
    """Links with their vertices, and the vertices that have none."""

    tables = (LINK, VERTEX)

    def __init__(self, where: Condition) -> None:
        self.where = where
        self.text = f"match {where.text} optional match (v)-[e:L]->() return v.k, v.tag, e.k, e.tag"

    def outcome(self, seen: State, newest: State) -> Outcome:
        matches = self.where.matches
        rows: list[tuple[object, ...]] = []
        made = Outcome(0)
        vertices = [row for row in seen[VERTEX].values() if matches(row)]
        keys = frozenset(row[K] for row in vertices)
        for vertex in vertices:
            made.reads.append((VERTEX, vertex[K], vertex[TAG]))
            links = [link for link in seen[LINK].values() if link[G] == vertex[K]]
            made.reads += [(LINK, link[K], link[TAG]) for link in links]
            rows += [(vertex[K], vertex[TAG], link[K], link[TAG]) for link in links] or [
                (vertex[K], vertex[TAG], None, None)
            ]
        made.count, made.rows = len(rows), rows
        made.predicates = [(VERTEX, matches), (LINK, lambda row: row[G] in keys)]
        return made


# --- writing -------------------------------------------------------------------------------------------------


def _returned(table: str) -> str:
    return LISTED[table].partition(" return ")[2]


def _set_text(table: str, to: st.Assignment, tag: int) -> str:
    """SET of a statement's tag and of what it assigns; a move is a change of labels, in another clause."""
    name = VARIABLE[table]
    column, _, value = to.text.partition(" = ")
    if value.startswith("log || "):
        value = f"{name}.log || {value.removeprefix('log || ')}"
    elif value.startswith("n + "):
        value = f"{name}.{value}"
    elif value.startswith("(select count(*)"):
        value = f"value {{match (o:V&G{to.counts}) return count(*) as c}}"
    labels = ""
    if column == "g":
        kept = f", {name}:G{value}" if value != "null" else ""
        gone = [f"{name}:G{group}" for group in range(GROUPS) if str(group) != value]
        labels = f"{kept} remove {', '.join(gone)}"
    return f"set {name}.prev = {name}.tag, {name}.tag = {tag}, {name}.{column} = {value}{labels}"


class Set(st.Update):
    """SET, and REMOVE of a label where a vertex changes its group."""

    def __init__(self, table: str, where: Condition, to: st.Assignment, tag: int) -> None:
        super().__init__(table, where, to, tag, True)
        self.text = f"match {where.text} {_set_text(table, to, tag)} return {_returned(table)}"


class Remove(st.Delete):
    """DELETE; with `detach` the links of deleted vertices go, too."""

    def __init__(self, table: str, where: Condition, detach: bool = False) -> None:
        super().__init__(table, where, True)
        self.detach = self.is_by_snapshot = detach
        values = [column.partition(" as ")[0] for column in _returned(table).split(", ")]
        names = [f"c{number}" for number in range(len(values))]
        # What is deleted can't be read any more: its values are noted before.
        noted = ", ".join(f"{name} = {value}" for name, value in zip(names, values, strict=True))
        delete = f"{'detach ' if detach else ''}delete {VARIABLE[table]}"
        self.text = f"match {where.text} let {noted} {delete} return {', '.join(names)}"

    def outcome(self, seen: State, newest: State) -> Outcome:
        if not self.detach:
            return super().outcome(seen, newest)
        matches = self.where.matches
        rows = [row for row in seen[VERTEX].values() if matches(row)]
        keys = {row[K] for row in rows}
        links = [link for link in newest[LINK].values() if link[G] in keys]
        outcome = Outcome(len(rows), list(rows))
        outcome.changes = [Change(VERTEX, row, None) for row in rows]
        outcome.changes += [Change(LINK, link, None) for link in links]
        outcome.touched = [(VERTEX, row) for row in rows] + [(LINK, link) for link in links]
        outcome.reads = [(VERTEX, row[K], row[TAG]) for row in rows]
        outcome.reads += [(LINK, link[K], link[TAG]) for link in links]
        outcome.predicates = [(VERTEX, matches), (LINK, lambda link: link[G] in keys)]
        return outcome


def _vertex_text(key: int, group: int | None, number: int | None, tag: int) -> str:
    label = "" if group is None else f"&G{group}"
    values = {"k": key, "g": group, "n": number, "tag": tag, "prev": 0, "log": "''"}
    listed = ", ".join(f"{name}: {'null' if value is None else value}" for name, value in values.items())
    return f"(v:V{label} {{{listed}}})"


class InsertVertex(st.Insert):
    """INSERT of a node; its key is unique."""

    def __init__(self, key: int, group: int | None, number: int | None, tag: int) -> None:
        super().__init__(VERTEX, ((key, group, number),), tag, "", True)
        self.text = f"insert {_vertex_text(key, group, number, tag)} return {_returned(VERTEX)}"


class MergeVertex(st.Insert):
    """MERGE by key: one that is there counts up."""

    def __init__(self, key: int, group: int, number: int, tag: int) -> None:
        super().__init__(VERTEX, ((key, group, number),), tag, "update", True)
        self.text = (
            f"merge (v:V {{k: {key}}})"
            f" on create set v.g = {group}, v:G{group}, v.n = {number}, v.tag = {tag}, v.prev = 0, v.log = ''"
            f" on match set v.n = v.n + 1, v.prev = v.tag, v.tag = {tag} return {_returned(VERTEX)}"
        )


class InsertLink(st.Statement):
    """INSERT of an edge, if its vertex is there."""

    tables = (LINK, VERTEX)
    is_change = True

    def __init__(self, key: int, vertex: int, number: int, tag: int) -> None:
        self.table = LINK
        self.row: Row = (key, vertex, number, tag, 0, "")
        values = f"k: {key}, n: {number}, tag: {tag}, prev: 0, log: ''"
        self.text = f"match (v:V {{k: {vertex}}}), (h:Hub) insert (v)-[e:L {{{values}}}]->(h) return {_returned(LINK)}"

    def outcome(self, seen: State, newest: State) -> Outcome:
        vertex = self.row[G]
        made = Outcome(0, [], predicates=[(VERTEX, lambda row: row[K] == vertex)])
        there = None if vertex is None else seen[VERTEX].get(vertex)
        if there is not None:
            made.count, made.rows = 1, [self.row]
            made.changes = [Change(LINK, None, self.row)]
            made.reads = [(VERTEX, there[K], there[TAG])]
        return made
