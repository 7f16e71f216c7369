"""Filters: which rows a node means, as a document.

    {"status": "open", "total": {"$gte": 100, "$lt": 500}}                 all of it holds
    {"$or": [{"name": {"$like": "A%"}}, {"email": {"$null": True}}]}

    $eq $ne $gt $gte $lt $lte      comparisons; a bare value is $eq, None is NULL
    $in $nin                       one of a list, none of it
    $like                          % is any text, _ any character, \\ takes the next one as it is; case counts
    $exists $null                  true or false: has a value, has none
    $and $or                       lists of documents

One rule for NULL, in every database: a row that has none in a column is found only by what asks for that: $eq None,
$in with None, $null true, $exists false.  $ne and $nin do not find it, as in SQL.

Values never enter the text, names are the model's own, quoted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from skerry.flow.workflows.model import Model
from skerry.flow.workflows.references import UNKNOWN
from skerry.flow.workflows.storing import encoded
from skerry_engine.errors import WorkflowError

_COMPARISONS = {"$gt": ">", "$gte": ">=", "$lt": "<", "$lte": "<="}
_DEEPEST = 50


def quoted(name: str) -> str:
    """A name as SQL has it, in a statement with %s."""
    return '"' + name.replace('"', '""').replace("%", "%%") + '"'


def table_of(model: Model) -> str:
    """The model's table, quoted."""
    return quoted(model.table) if model.schema is None else f"{quoted(model.schema)}.{quoted(model.table)}"


class Condition:
    """The SQL of a filter, with %s, and its parameters."""

    __slots__ = ("text", "values")

    def __init__(self, text: str, values: list[object]) -> None:
        self.text = text
        self.values = values


def render(document: object, model: Model, dialect: str) -> Condition:
    """A filter for a model, in a dialect: 'skerry', 'postgresql' or 'sqlite'.

    Raises WorkflowError for anything that the module does not describe, and for columns that the model does not have.
    """
    renderer = _Renderer(model, dialect)
    text = renderer.document(document, 0)
    return Condition(text, renderer.values)


def check(document: object, model: Model) -> None:
    """Raise WorkflowError for a filter that is none, as far as that can be seen before a run: it may contain
    UNKNOWN."""
    render(document, model, "skerry")


class _Renderer:
    """Walks a filter and gathers its parameters in the order of their placeholders."""

    def __init__(self, model: Model, dialect: str) -> None:
        self.values: list[object] = []
        self._model = model
        self._dialect = dialect

    def document(self, document: object, depth: int) -> str:
        """A document: all of its parts hold."""
        if document is UNKNOWN:
            return "TRUE"
        if not isinstance(document, Mapping):
            raise WorkflowError(f"a filter is a mapping, not {document!r}")
        if depth > _DEEPEST:
            raise WorkflowError("a filter that is nested too deeply")
        return _joined((self._part(key, each, depth) for key, each in document.items()), "AND", "TRUE")

    def _part(self, key: object, value: object, depth: int) -> str:
        if key == "$and" or key == "$or":
            if value is UNKNOWN:
                return "TRUE"
            if not isinstance(value, list | tuple):
                raise WorkflowError(f"{key} takes a list of filters, not {value!r}")
            parts = (self.document(each, depth + 1) for each in value)
            return _joined(parts, "AND", "TRUE") if key == "$and" else _joined(parts, "OR", "FALSE")
        if isinstance(key, str) and key.startswith("$") and key not in self._model.by_name:
            raise WorkflowError(
                f"{key} is not something that a filter can start with: use a column, $and or $or"
            )
        self._model.check(key)
        return self._column(str(key), value)

    def _column(self, name: str, value: object) -> str:
        if isinstance(value, Mapping) and any(isinstance(each, str) and each[:1] == "$" for each in value):
            return _joined((self._test(name, key, each) for key, each in value.items()), "AND", "TRUE")
        return self._test(name, "$eq", value)

    def _test(self, name: str, operator: object, value: object) -> str:
        test = _TESTS.get(operator) if isinstance(operator, str) else None
        if test is None:
            raise WorkflowError(f"{name}: there is no operator {operator!r}: use one of {', '.join(_TESTS)}")
        return test(self, name, value)

    # --- one test ---------------------------------------

    def _value(self, name: str, value: object) -> str:
        """A placeholder for it."""
        self.values.append(encoded(value, self._dialect, self._model.by_name[name].type))
        return "%s"

    def equal(self, name: str, value: object) -> str:
        """$eq"""
        if value is None:
            return f"{quoted(name)} IS NULL"
        if isinstance(value, list | tuple | set) and self._model.by_name[name].type not in (list, dict):
            raise WorkflowError(f"{name}: a list of values is {{'$in': [...]}}")
        if isinstance(value, Mapping) and self._model.by_name[name].type is not dict:
            raise WorkflowError(f"{name}: {value!r} is neither a value nor a test")
        return f"{quoted(name)} = {self._value(name, value)}"

    def unequal(self, name: str, value: object) -> str:
        """$ne"""
        if value is None:
            return f"{quoted(name)} IS NOT NULL"
        return f"{quoted(name)} <> {self._value(name, value)}"

    def compare(self, sign: str, name: str, value: object) -> str:
        """$gt and kin: with NULL nothing compares."""
        return "FALSE" if value is None else f"{quoted(name)} {sign} {self._value(name, value)}"

    def _listed(self, name: str, operator: str, value: object) -> tuple[list[object], bool]:
        """The values of a list, and whether NULL is among them."""
        if value is UNKNOWN:
            return [], False
        if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
            raise WorkflowError(f"{name}: {operator} takes a list, not {value!r}")
        every = list(value)
        return [each for each in every if each is not None], len(every) > 0 and None in every

    def among(self, name: str, value: object) -> str:
        """$in"""
        values, has_null = self._listed(name, "$in", value)
        column = quoted(name)
        tests = []
        if values:
            tests.append(f"{column} IN ({', '.join(self._value(name, each) for each in values)})")
        if has_null:
            tests.append(f"{column} IS NULL")
        return _joined(tests, "OR", "FALSE")

    def not_among(self, name: str, value: object) -> str:
        """$nin"""
        values, _ = self._listed(name, "$nin", value)
        column = quoted(name)
        if not values:
            return f"{column} IS NOT NULL"
        return f"{column} NOT IN ({', '.join(self._value(name, each) for each in values)})"

    def like(self, name: str, value: object) -> str:
        """$like; SQLite's own ignores case, its GLOB does not."""
        if value is None:
            return "FALSE"
        if value is UNKNOWN:
            return "TRUE"
        if not isinstance(value, str):
            raise WorkflowError(f"{name}: $like takes a text, not {value!r}")
        is_glob = self._dialect == "sqlite"
        pattern = _as_glob(name, value)
        self.values.append(pattern if is_glob else value)
        return f"{quoted(name)} {'GLOB' if is_glob else 'LIKE'} %s"

    def exists(self, is_wanted: bool, name: str, value: object) -> str:
        """$exists, $null"""
        if value is UNKNOWN:
            return "TRUE"
        if not isinstance(value, bool):
            raise WorkflowError(f"{name}: $exists and $null take true or false, not {value!r}")
        return f"{quoted(name)} IS {'NOT ' if value is is_wanted else ''}NULL"


_Test = Callable[[_Renderer, str, object], str]


def _comparison(sign: str) -> _Test:
    return lambda renderer, name, value: renderer.compare(sign, name, value)


_TESTS: dict[str, _Test] = {
    "$eq": _Renderer.equal,
    "$ne": _Renderer.unequal,
    **{operator: _comparison(sign) for operator, sign in _COMPARISONS.items()},
    "$in": _Renderer.among,
    "$nin": _Renderer.not_among,
    "$like": _Renderer.like,
    "$exists": lambda renderer, name, value: renderer.exists(True, name, value),
    "$null": lambda renderer, name, value: renderer.exists(False, name, value),
}


def _joined(parts: Iterable[str], word: str, empty: str) -> str:
    found = list(parts)
    if len(found) < 2:
        return found[0] if found else empty
    return "(" + f" {word} ".join(found) + ")"


def _as_glob(name: str, pattern: str) -> str:
    """A LIKE pattern as GLOB has it.  Raises WorkflowError for one that ends in the middle of an escape."""
    found = []
    symbols = iter(pattern)
    for symbol in symbols:
        if symbol == "%":
            found.append("*")
        elif symbol == "_":
            found.append("?")
        else:
            if symbol == "\\":
                symbol = next(symbols, "")
                if not symbol:
                    raise WorkflowError(f"{name}: the pattern {pattern!r} ends with its escape character")
            found.append(f"[{symbol}]" if symbol in "*?[" else symbol)
    return "".join(found)
