"""A GQL statement, parsed and bound: what plans.py compiles and keeps.

Beside the names that were looked up, a graph's plan rests on catalog objects known by their OIDs (the graph and its
element tables), and on facts: what the shapes of an element table say of a property.  Facts change outside
transactions and without the catalog, with the first element that is unlike all before, so they are asked for at every
execution.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from skerry_engine import errors
from skerry_engine.algebra import queries as q
from skerry_engine.gql import tree
from skerry_engine.gql.binder.context import GqlContext, GqlParameters
from skerry_engine.gql.binder.statements import StatementBinder
from skerry_engine.gql.parser import parse_normalised
from skerry_engine.sql.normalise import Normalised
from skerry_engine.storage.shapes import ShapeRegistry
from skerry_engine.values import oids
from skerry_engine.values.io import IoContext

if TYPE_CHECKING:
    from skerry_engine.session.environment import StatementCatalog

Fact = tuple[ShapeRegistry, str, int]
"""Of a property's name: what `property_version` said."""

_VERBS: Final = {
    tree.Insert: "insert",
    tree.Set: "update",
    tree.Remove: "update",
    tree.Delete: "delete",
    tree.Merge: "merge",
}


@dataclass(frozen=True, slots=True)
class BoundGraphQuery:
    """A bound statement; `objects` are (OID, version)."""

    query: q.Query
    verb: str
    parameters: GqlParameters
    lookups: tuple[tuple[str | None, str, int, int], ...]
    objects: tuple[tuple[int, int], ...]
    facts: tuple[Fact, ...]


def bind_graph_query(
    normalised: Normalised, parameter_oids: Sequence[int], here: StatementCatalog, io: IoContext
) -> BoundGraphQuery:
    """Parse and bind a GQL query or data change.  Raises what is wrong with it."""
    program = parse_normalised(normalised)
    (procedure,) = program.parts
    assert isinstance(procedure, tree.Procedure), "sessions and transactions have statements of their own"
    parameters = GqlParameters(normalised, parameter_oids)
    context = GqlContext(here.database, here.search_path, parameters, io, here, here.working_graph)
    try:
        query = StatementBinder(context).procedure(procedure).query
    except errors.SyntaxError as error:
        error.locate(normalised.tokens.text)
        raise
    _default_types(parameters)
    facts = [(here.shapes(oid), name, version) for (oid, name), version in context.facts.items()]
    return BoundGraphQuery(
        query,
        verb_of(procedure),
        parameters,
        tuple(context.bind.lookups),
        tuple(context.objects.items()),
        tuple(facts),
    )


def _default_types(parameters: GqlParameters) -> None:
    """A parameter whose place says nothing of its type is text, as PostgreSQL has it in SELECT $1."""
    types = parameters.client_types
    types[:] = [oid or oids.TEXT for oid in types]


def verb_of(procedure: tree.Procedure) -> str:
    """What a procedure does, as command tags name it: 'insert', 'update', 'delete', 'merge' for the first change that
    it makes, 'select' for one without."""
    parts = [procedure.first, *(each.statement for each in procedure.nexts)]
    found = [verb for part in parts for verb in _verbs(part)]
    return found[0] if found else "select"


def _verbs(part: tree.Composite) -> list[str]:
    if isinstance(part, tree.Combined):
        return _verbs(part.left) + _verbs(part.right)
    if isinstance(part, tree.Nested):
        verb = verb_of(part.body)
        return [] if verb == "select" else [verb]
    assert isinstance(part, tree.Linear)
    found: list[str] = []
    for clause in part.clauses:
        if isinstance(clause, tree.CallInline):
            verb = verb_of(clause.body)
            found += [] if verb == "select" else [verb]
        elif type(clause) in _VERBS:
            found.append(_VERBS[type(clause)])
    return found


def are_facts_true(facts: Sequence[Fact]) -> bool:
    """Whether the shapes still say what they said."""
    for registry, name, version in facts:  # noqa: SIM110 - compiled, a loop costs less than a generator
        if registry.property_version(name) != version:
            return False
    return True


def are_objects_there(objects: Sequence[tuple[int, int]], here: StatementCatalog) -> bool:
    """Whether the objects are there in the same versions."""
    for oid, version in objects:
        found = here.database.relation(oid)
        if found is None or found.version != version:
            return False
    return True
