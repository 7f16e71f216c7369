"""One scenario: run it, compare, say what came of it.

- **passed**: every step held: rows (and their order where asked for), side effects, or an error of the kind expected;
- **not applicable**: the text says what GQL can't say or means otherwise; the reason is the construct, or a ruling.  A
  construct of Cypher's own that is passed on as it is (labels(n), x IN list) counts as this when it is
  refused, and as any other when it is not;
- **failed**: everything else, with what was seen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from skerry_engine.errors import DatabaseError
from tck.cursor import NotGql
from tck.cypher import NotCypher
from tck.gherkin import Scenario, Step
from tck.rulings import Rulings
from tck.translate import Translation
from tck.values import canonical, parse_parameter, parse_value, sort_key, without_list_order

PASSED: Final = "passed"
FAILED: Final = "failed"
NOT_APPLICABLE: Final = "not applicable"

REFUSALS: Final = frozenset(("42601", "42883", "42725", "0A000", "42704", "42809", "42804", "22G03", "22G04"))
"""SQLSTATEs that say: no such construct, or not with these operands."""
ERROR_CLASSES: Final = {
    "SyntaxError": ("42", "22"),
    "SemanticError": ("42", "22", "21"),
    "TypeError": ("22", "42"),
    "ArgumentError": ("22", "42"),
    "EntityNotFound": ("22", "42", "02", "P0"),
    "ParameterMissing": ("42", "08", "07", "22"),
    "ConstraintVerificationFailed": ("23", "42", "25", "27", "2B"),
}
"""SQLSTATE classes that are what an error of the suite's kind would be."""
NO_EFFECTS: Final[Counter[str]] = Counter()


Parameters = Mapping[str, object] | Sequence[object]


class Database(Protocol):
    """What a scenario runs on: a skerry.Database."""

    def execute(self, statement: str, parameters: Parameters | None = None, /) -> Any:
        """Run a statement; iterating over the result gives rows."""

    def close(self) -> None:
        """Close it."""


@dataclass(frozen=True)
class Verdict:
    """What came of a scenario."""

    scenario: Scenario
    status: str
    reason: str = ""

    @property
    def title(self) -> str:
        """Feature and name."""
        return f"{self.scenario.feature} {self.scenario.name}"


class Mismatch(Exception):
    """A step did not hold; the message says how."""


@dataclass(frozen=True)
class Suite:
    """What scenarios need beside themselves."""

    open_database: Callable[[], Database]
    translate: Callable[[str], Translation]
    graphs: Path
    """Where named graphs are, as `<name>/<name>.cypher`."""
    rulings: Rulings
    counts_catalog: bool = False
    """Whether graphs and schemas are side effects, too."""


def judge(suite: Suite, scenario: Scenario) -> Verdict:
    """Run a scenario in a database of its own."""
    run = _Run(suite, suite.open_database())
    try:
        verdict = _judge(run, scenario)
    finally:
        run.database.close()
    if verdict.status == FAILED:
        reason = suite.rulings.excuse(verdict.title)
        if reason is not None:
            return Verdict(scenario, NOT_APPLICABLE, reason)
    return verdict


def _judge(run: _Run, scenario: Scenario) -> Verdict:
    try:
        for step in scenario.steps:
            run.step(step)
        run.finish()
    except NotGql as refused:
        return Verdict(scenario, NOT_APPLICABLE, str(refused))
    except NotCypher as problem:
        return Verdict(scenario, NOT_APPLICABLE, f"text that is no Cypher: {problem}")
    except Mismatch as mismatch:
        if run.refused is not None and run.extensions:
            return Verdict(scenario, NOT_APPLICABLE, _of_cypher(run.extensions))
        return Verdict(scenario, FAILED, str(mismatch))
    except Exception as crash:  # noqa: BLE001 -- whatever the engine throws is a result
        return Verdict(scenario, FAILED, f"{type(crash).__name__}: {crash}")
    return Verdict(scenario, PASSED)


def _of_cypher(extensions: set[str]) -> str:
    names = sorted(extensions)
    return f"{names[0]}: Cypher's own"


def _by_place(named: dict[str, object]) -> Parameters:
    """Parameters by name; $1, $2, ... are given by place."""
    if not named or not all(name.isdecimal() for name in named):
        return named
    count = max(int(name) for name in named)
    return [named.get(str(place), 0) for place in range(1, count + 1)]


class _Run:
    """A scenario's state between steps."""

    def __init__(self, suite: Suite, database: Database) -> None:
        self.suite = suite
        self.database = database
        self.parameters: Parameters | None = None
        self.columns: list[str] = []
        self.rows: list[list[object]] = []
        self.error: DatabaseError | None = None
        self.error_was_expected = False
        self.refused: str | None = None
        self.is_star = False
        self.extensions: set[str] = set()
        self.before: _State | None = None

    def step(self, step: Step) -> None:
        """Do one step."""
        words = step.words.rstrip(":")
        if words in ("an empty graph", "any graph", "any catalog", "an empty catalog"):
            return
        if words.startswith("the ") and words.endswith((" graph", " catalog")):
            self._named_graph(words.split()[1])
        elif words in ("having executed", "after having executed"):
            self._set_up(step.text or "")
        elif words in ("parameters are", "parameter values are"):
            self.parameters = _by_place({name: parse_parameter(value) for name, value in step.table})
        elif words in ("executing query", "executing control query", "executing queries"):
            self._execute(step.text or "")
        elif words.startswith("the result should be"):
            self._compare(words, step.table)
        elif words == "no side effects":
            self._compare_effects(NO_EFFECTS)
        elif words == "the side effects should be":
            self._compare_effects(Counter({name: int(count) for name, count in step.table}))
        elif " should be raised" in words:
            self._expect_error(words)
        elif words.startswith("there exists a procedure"):
            raise NotGql("procedures of the suite's own")
        else:
            raise NotGql(f"the step: {words}")

    def finish(self) -> None:
        """After the last step: no error may be left that nobody expected."""
        self._raise_error()

    def _named_graph(self, name: str) -> None:
        for suffix in ("cypher", "gql"):
            for path in (
                self.suite.graphs / name / f"{name}.{suffix}",
                self.suite.graphs / f"{name}.{suffix}",
            ):
                if path.exists():
                    self._set_up(path.read_text(encoding="utf-8"))
                    return
        raise NotGql(f"the graph {name}, which the suite does not have")

    def _set_up(self, text: str) -> None:
        self._run(text)
        self._raise_error()

    def _execute(self, text: str) -> None:
        self._raise_error()
        self.before = _State.of(self.database, self.suite.counts_catalog)
        self._run(text)

    def _run(self, text: str) -> None:
        translation = self.suite.translate(text)
        self.extensions |= translation.extensions
        self.error = None
        self.columns, self.rows = [], []
        self.is_star = "RETURN *" in translation.text
        try:
            result = self.database.execute(translation.text, self.parameters)
            self.rows = [[canonical(value) for value in row] for row in result]
            self.columns = [column.name for column in result.columns]
        except DatabaseError as error:
            self.error = error
            if error.sqlstate in REFUSALS:
                self.refused = error.sqlstate

    def _raise_error(self) -> None:
        if self.error is not None and not self.error_was_expected:
            raise Mismatch(f"{self.error.sqlstate} {_first_line(self.error)}")

    def _expect_error(self, words: str) -> None:
        if self.error is None:
            raise Mismatch(f"no error: {words}")
        if self.extensions and self.refused is not None:
            raise Mismatch("refused for another reason")
        sqlstate = self.error.sqlstate or ""
        exact = words.rsplit(":", 1)[-1].strip()
        if exact.isdigit():
            status = getattr(self.error, "gqlstatus", None) or sqlstate
            if exact not in (status, sqlstate):
                raise Mismatch(f"{status} {_first_line(self.error)}, not {exact}")
        else:
            kind = words.split(" should be raised")[0].split()[-1]
            if sqlstate[:2] not in ERROR_CLASSES.get(kind, ()):
                raise Mismatch(f"{sqlstate} {_first_line(self.error)}, not a {kind}")
        self.error_was_expected = True
        self._compare_effects(NO_EFFECTS)

    def _compare(self, words: str, table: Sequence[Sequence[str]]) -> None:
        self._raise_error()
        if words == "the result should be empty":
            if self.rows:
                raise Mismatch(f"{len(self.rows)} rows, not none")
            return
        heading, *body = table
        if list(heading) != self.columns and self.is_star and sorted(heading) == sorted(self.columns):
            order = [self.columns.index(name) for name in heading]  # of RETURN *: Cypher's is alphabetical
            self.columns = list(heading)
            self.rows = [[row[place] for place in order] for row in self.rows]
        if list(heading) != self.columns:
            raise Mismatch(f"columns {', '.join(self.columns)}, not {', '.join(heading)}")
        expected: list[object] = [tuple(parse_value(cell) for cell in row) for row in body]
        given: list[object] = [tuple(row) for row in self.rows]
        if "ignoring element order" in words:
            expected = [_without_order(row) for row in expected]
            given = [_without_order(row) for row in given]
        keys = [sort_key(row) for row in given], [sort_key(row) for row in expected]
        if "in order" not in words:
            keys = sorted(keys[0]), sorted(keys[1])
        if keys[0] != keys[1]:
            raise Mismatch(f"rows {_short(given)}, not {_short(expected)}")

    def _compare_effects(self, expected: Counter[str]) -> None:
        if not self.error_was_expected:
            self._raise_error()
        if self.before is None:
            return
        effects = self.before.effects(_State.of(self.database, self.suite.counts_catalog))
        if effects != expected:
            raise Mismatch(f"side effects {dict(effects)}, not {dict(expected)}")


def _without_order(row: object) -> object:
    return tuple(without_list_order(value) for value in row) if isinstance(row, tuple) else row


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0][:160] if str(error) else type(error).__name__


def _short(rows: Sequence[object]) -> str:
    text = ", ".join(map(str, rows))
    return text if len(text) <= 200 else text[:200] + " …"


@dataclass(frozen=True)
class _State:
    """The whole graph, to see what a query changed."""

    nodes: dict[object, Any]
    edges: dict[object, Any]
    graphs: frozenset[object] = frozenset()
    graph_types: frozenset[object] = frozenset()
    schemas: frozenset[object] = frozenset()

    @classmethod
    def of(cls, database: Database, with_catalog: bool) -> _State:
        """The state now."""
        nodes = {row[0].id: row[0] for row in database.execute("MATCH (n) RETURN n")}
        edges = {row[0].id: row[0] for row in database.execute("MATCH ()-[r]->() RETURN r")}
        if not with_catalog:
            return cls(nodes, edges)
        graphs = database.execute("SELECT * FROM information_schema.property_graphs")
        types = database.execute("SELECT schema, name FROM skerry.graph_types")
        schemas = database.execute("SELECT nspname FROM pg_namespace")
        return cls(nodes, edges, *(frozenset(map(tuple, found)) for found in (graphs, types, schemas)))

    def effects(self, after: _State) -> Counter[str]:
        """What was added and removed between this state and another, as the suite counts it."""
        pairs: dict[str, tuple[set[object], set[object]]] = {
            "nodes": (set(self.nodes), set(after.nodes)),
            "relationships": (set(self.edges), set(after.edges)),
            "labels": (self._labels(), after._labels()),
            "properties": (self._properties(), after._properties()),
            "graphs": (set(self.graphs), set(after.graphs)),
            "graphTypes": (set(self.graph_types), set(after.graph_types)),
            "schemas": (set(self.schemas), set(after.schemas)),
        }
        found: Counter[str] = Counter()
        for name, (old, new) in pairs.items():
            found[f"+{name}"] = len(new - old)
            found[f"-{name}"] = len(old - new)
        return +found

    def _labels(self) -> set[object]:
        return {label for node in self.nodes.values() for label in node.labels}

    def _properties(self) -> set[object]:
        return {
            (kind, number, name, sort_key(canonical(value)))
            for kind, elements in (("node", self.nodes), ("edge", self.edges))
            for number, element in elements.items()
            for name, value in element.properties.items()
            if value is not None
        }
