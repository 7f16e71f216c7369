"""The operators: names and operand types mapped to the functions that carry them out.

Facts are PostgreSQL 15's pg_operator (`data/operators.tsv`), and comparisons of Skerry's own types (`own_operators.tsv`);
what an operator does is its function's business.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from skerry_engine.functions.registry import Function, read_facts, scalar_function


@dataclass(frozen=True, slots=True, eq=False)
class Operator:
    """An operator.  `left` is 0 for a prefix operator; `commutator` and `negator` are names,
    '' where there is none."""

    oid: int
    name: str
    left: int
    right: int
    result: int
    function: Function
    commutator: str
    negator: str
    can_merge: bool = False
    can_hash: bool = False


_by_oid: dict[int, Operator] = {}
_by_name: dict[str, tuple[Operator, ...]] = {}
_by_signature: dict[tuple[str, int, int], Operator] = {}


def operators_named(name: str) -> tuple[Operator, ...]:
    """All operators of pg_catalog with that name, prefix and infix."""
    _load()
    return _by_name.get(name, ())


def operator_by_oid(oid: int) -> Operator | None:
    """The operator with that OID, or None."""
    _load()
    return _by_oid.get(oid)


def find_operator(name: str, left: int, right: int) -> Operator | None:
    """The operator declared for exactly these types (`left` 0: prefix), or None."""
    _load()
    return _by_signature.get((name, left, right))


def all_operators() -> Iterable[Operator]:
    """Every operator, for pg_operator."""
    _load()
    return _by_oid.values()


def _load() -> None:
    if _by_oid:
        return
    names: dict[str, list[Operator]] = {}
    for row in read_facts("operators.tsv") + read_facts("own_operators.tsv"):
        oid, name, left, right, result, function, commutator, negator, flags = row
        operator = Operator(
            oid=int(oid),
            name=name,
            left=int(left),
            right=int(right),
            result=int(result),
            function=scalar_function(int(function)),
            commutator=commutator,
            negator=negator,
            can_merge=flags[0] == "m",
            can_hash=flags[1] == "h",
        )
        _by_oid[operator.oid] = operator
        _by_signature[(name, operator.left, operator.right)] = operator
        names.setdefault(name, []).append(operator)
    for name, operators in names.items():
        _by_name[name] = tuple(operators)
