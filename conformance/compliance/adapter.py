"""The package's idea of a database: `execute(query)` gives columns and rows, or raises.

Queries are translated as the TCK's are (tck/translate.py).  What can't be said in GQL raises, and so does what is
refused; `reasons` tells by query which of these are not applicable, so that an error is counted as what it is even
where the package expects an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tck.cursor import NotGql
from tck.cypher import NotCypher
from tck.judging import REFUSALS, Database
from tck.translate import translate

from skerry_engine.errors import DatabaseError

CLEAN_UP = "MATCH (n) DETACH DELETE n"


@dataclass
class Answer:
    """What the package takes for a result."""

    columns: list[str] = field(default_factory=list)
    rows: list[list[object]] = field(default_factory=list)


class Adapter:
    """Skerry as the package's runner drives a database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.reasons: dict[str, str] = {}

    def execute(self, query: str) -> Answer:
        """Run a Cypher query as GQL.  Raises what Skerry raises, NotGql and NotCypher."""
        extensions: frozenset[str] = frozenset()
        try:
            translation = translate(query)
            extensions = translation.extensions
            result: Any = self._database.execute(translation.text)
        except (NotGql, NotCypher) as problem:
            self.reasons[query] = str(problem)
            raise
        except DatabaseError as error:
            if extensions and error.sqlstate in REFUSALS:
                self.reasons[query] = f"{min(extensions)}: Cypher's own"
            raise
        return Answer([column.name for column in result.columns], [[plain(v) for v in row] for row in result])

    def cleanup(self) -> None:
        """Empty the graph."""
        self._database.execute(CLEAN_UP)

    def close(self) -> None:
        """Nothing: whoever opened the database closes it."""

    def get_version(self) -> str | None:
        """What the report calls the database."""
        return None


def plain(value: object) -> object:
    """A value as the package compares it: numbers as int and float, the rest as it is."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, Mapping):
        return {name: plain(item) for name, item in value.items()}
    return value
