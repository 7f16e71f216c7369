"""From a query's text to a plan, and the cache in between.

    exact text ──> literals already read ──┐
    text ──tokens──> key ──> cached plan ──┴──> parameters ──> run
                      └──> parse, bind, compile (once per key)

A plan is good for the catalog objects it was made from: it records every name that was looked up and the
version found.  When the catalog has changed since the plan was last checked, the names are looked up again;
any difference makes a new plan.  The cache is shared by all sessions of an engine and bounded in entries.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Final, TypeVar

from skerry_engine import errors
from skerry_engine.algebra import expressions as ex
from skerry_engine.algebra import queries as q
from skerry_engine.algebra.traversal import walk_all, written_tables
from skerry_engine.catalog.catalog import Database
from skerry_engine.catalog.user_types import find_user_type
from skerry_engine.gql.front import parse_batch, parse_statement
from skerry_engine.gql.language import AUTO
from skerry_engine.plan.compile import CompiledQuery, compile_query
from skerry_engine.session.graph_plans import Fact, are_facts_true, are_objects_there, bind_graph_query
from skerry_engine.session.graphs.tables import GraphTableBinder
from skerry_engine.session.rights import Access, accesses_of, graph_accesses
from skerry_engine.session.sleeping import WAITING_FUNCTIONS
from skerry_engine.session.steps import ResultColumn
from skerry_engine.sql.binder.context import BindContext, Parameters, Slot
from skerry_engine.sql.binder.queries import QueryBinder
from skerry_engine.sql.bridge import parse_query, too_complex
from skerry_engine.sql.normalise import Normalised, normalise
from skerry_engine.sql.statements import Query, Statement
from skerry_engine.sql.templates import Templates
from skerry_engine.txn.modes import ACCESS_SHARE, ROW_EXCLUSIVE, ROW_MODES, ROW_SHARE_TABLE
from skerry_engine.values import oids
from skerry_engine.values.io import IoContext, text_decoder
from skerry_engine.values.types import SqlType, type_info

if TYPE_CHECKING:
    from skerry_engine.session.environment import StatementCatalog

CACHE_ENTRIES = 2000
CACHED_TEXT_CHARACTERS = 2000
FIRST_LOOK = 16
"""Uses of a plan after which it is seen whether its tables have still the sizes that it was made for; then after
twice as many, and so on: so looking costs nothing, and a plan made for empty tables does not stay for long."""
GROWTH = 10
SMALL_TABLE = 500
"""Sizes below this are all alike."""
_NUMBER_TYPES = frozenset({oids.INT2, oids.INT4, oids.INT8, oids.OID})
_FLOAT_TYPES = frozenset({oids.FLOAT4, oids.FLOAT8})


@dataclass(slots=True)
class Plan:
    """A compiled statement with what it takes to run it.

    `parameter_types` are the client's parameters; `slots` say where run-time parameters come from; `locks`
    are (table OID, mode).  An `is_spooled` plan shows nothing until it is complete.  `lookups` are (schema,
    name, OID, version) of every relation that was looked up, `objects` (OID, version) of what was found by its OID,
    `facts` what was known of graphs' properties (see graph_plans.py).  `sizes` are (table OID, rows) as they were
    planned for; `uses` says how often the plan has been asked for, `next_look` when sizes are looked at again.
    `accesses` are what it needs rights for; in the catalog `allowed_version` the role `allowed_role` has them.
    """

    compiled: CompiledQuery
    verb: str
    parameter_types: tuple[int, ...]
    parameter_names: tuple[str, ...]
    slots: tuple[Slot, ...]
    row_lists: tuple[int, ...]
    columns: tuple[ResultColumn, ...] | None
    locks: tuple[tuple[int, int], ...]
    lookups: tuple[tuple[str | None, str, int, int], ...]
    is_change: bool
    row_lock: str
    is_spooled: bool
    checked_catalog: int = -1
    query: q.Query | None = field(default=None, repr=False)
    objects: tuple[tuple[int, int], ...] = ()
    facts: tuple[Fact, ...] = ()
    sizes: tuple[tuple[int, int], ...] = ()
    uses: int = 0
    next_look: int = FIRST_LOOK
    types: tuple[tuple[tuple[str, ...], int, int], ...] = ()
    """Users' types that were named: the name's parts, OID, version."""
    accesses: tuple[Access, ...] = ()
    allowed_version: int = -1
    allowed_role: int = 0
    shown_types: tuple[int, ...] = ()
    """The types of the client's parameters as it is told of them."""
    takes_client: bool = False
    """Whether the run-time parameters are the client's, in their order."""

    def __post_init__(self) -> None:
        self.takes_client = all(
            slot.source == "client" and slot.number == number for number, slot in enumerate(self.slots)
        )


RECENT_PLANS: Final = 64
"""A session's plans that are found without a look at what they depend on."""


class RecentPlan:
    """The plan that a session has used for a statement, and for what: as long as that is the very same, it is the
    plan that the cache would give, but for the facts that it rests on and the sizes of tables."""

    __slots__ = ("statement", "parameter_oids", "here", "plan")

    def __init__(
        self, statement: Statement, parameter_oids: tuple[int, ...], here: StatementCatalog, plan: Plan
    ) -> None:
        self.statement: Statement = statement
        self.parameter_oids: tuple[int, ...] = parameter_oids
        self.here: StatementCatalog = here
        self.plan: Plan = plan

    def is_of(self, statement: Statement, parameter_oids: Sequence[int], here: StatementCatalog) -> bool:
        """Whether this plan is for the statement, with parameters of these types, as the session sees things now."""
        if self.statement is not statement or self.here is not here:
            return False
        own = self.parameter_oids
        if len(own) != len(parameter_oids):
            return False
        for number in range(len(own)):  # noqa: SIM110 - compiled, a loop costs less than a generator
            if own[number] != parameter_oids[number]:
                return False
        return True


class PlanCache:
    """Plans by key, least recently used ones leaving first."""

    def __init__(self) -> None:
        self._plans: OrderedDict[tuple[object, ...], Plan] = OrderedDict()

    def get(self, key: tuple[object, ...]) -> Plan | None:
        """The plan under the key, if any; whether it is still good is for the caller to check."""
        plan = self._plans.get(key)
        if plan is not None:
            self._plans.move_to_end(key)
        return plan

    def put(self, key: tuple[object, ...], plan: Plan) -> None:
        """Keep a plan."""
        self._plans[key] = plan
        if len(self._plans) > CACHE_ENTRIES:
            self._plans.popitem(last=False)

    def clear(self) -> None:
        self._plans.clear()


class StatementCache:
    """Parsed texts: drivers send the same ones over and over."""

    def __init__(self) -> None:
        self._statements: dict[str, Statement | None] = {}
        self._batches: dict[str, list[tuple[Statement, str]]] = {}
        self._templates = Templates()

    # The setting `language` decides what a text means; texts are kept only where nothing is forced.

    def statement(self, text: str, language: str = AUTO) -> Statement | None:
        """The one statement in `text`.  Raises SyntaxError."""
        if language != AUTO:
            return parse_statement(text, language)
        found = self._statements.get(text)
        if found is None:
            found = parse_statement(text)
            _keep(self._statements, text, found)
        return found

    def batch(self, text: str, language: str = AUTO) -> list[tuple[Statement, str]]:
        """The statements in `text`, each with its own text.  Raises SyntaxError."""
        if language != AUTO:
            return parse_batch(text, language)
        found = self._batches.get(text)
        if found is None:
            found = parse_batch(text)
            if len(found) == 1:
                self._templates.learn(text, found[0][0])
            _keep(self._batches, text, found)
        return found

    def recognised(self, text: str, language: str = AUTO) -> Query | None:
        """The query in a text that is new only in its numbers; None: ask for `batch`.  See `Templates`."""
        return None if language != AUTO or text in self._batches else self._templates.recognised(text)


_V = TypeVar("_V")


def _keep(cache: dict[str, _V], text: str, value: _V) -> None:
    """Remember a parse.  A full cache starts anew: texts with literals in them pass through,
    the others come back."""
    if len(text) > CACHED_TEXT_CHARACTERS:
        return
    if len(cache) >= CACHE_ENTRIES:
        cache.clear()
    cache[text] = value


def is_current(plan: Plan, here: StatementCatalog) -> bool:
    """Whether every name the plan looked up still means the same version of the same relation, and what it was
    told of graphs is still true."""
    if plan.facts and not are_facts_true(plan.facts):
        return False
    version = here.catalog.version
    if plan.checked_catalog == version:
        return True
    for schema, name, oid, object_version in plan.lookups:
        found = here.database.find_relation(name, schema, here.search_path)
        if found is None or found.oid != oid or found.version != object_version:
            return False
    if plan.objects and not are_objects_there(plan.objects, here):
        return False
    if plan.types and not _are_types_the_same(plan.types, here):
        return False
    plan.checked_catalog = version
    return True


def _are_types_the_same(types: Sequence[tuple[tuple[str, ...], int, int]], here: StatementCatalog) -> bool:
    """Whether users' types are what they were, and so are their names."""
    for names, oid, version in types:
        found = find_user_type(
            here.database, names[-1], names[-2] if len(names) > 1 else None, here.search_path
        )
        if found is None or found[0].oid != oid or found[0].version != version:
            return False
    return True


def is_outgrown(plan: Plan, here: StatementCatalog) -> bool:
    """Whether a table that the plan reads is another size than when it was made, so that there may be a better one."""
    plan.uses += 1
    if plan.uses < plan.next_look:
        return False
    for oid, rows in plan.sizes:
        before, now = max(rows, SMALL_TABLE), max(here.row_count(oid), SMALL_TABLE)
        if now > GROWTH * before or before > GROWTH * now:
            return True
    plan.next_look *= 2
    return False


def _sizes(query: q.Query, here: StatementCatalog) -> tuple[tuple[int, int], ...]:
    """The sizes of the tables that a query reads."""
    read = {node.table_oid for node in walk_all(query) if isinstance(node, q.Scan) and not node.is_virtual}
    return tuple((oid, here.row_count(oid)) for oid in sorted(read))


def same_types(one: Sequence[ResultColumn] | None, other: Sequence[ResultColumn] | None) -> bool:
    """Whether two results have columns of the same types."""
    if one is None or other is None:
        return one is other
    return [c.type for c in one] == [c.type for c in other]


def make_plan(
    normalised: Normalised, verb: str, parameter_oids: Sequence[int], here: StatementCatalog, io: IoContext
) -> Plan:
    """Parse, bind and compile.  Raises what is wrong with the statement."""
    try:
        plan = _made_plan(_in_full(normalised), verb, parameter_oids, here, io)
        assert plan.query is not None
        plan.sizes = _sizes(plan.query, here)
        return plan
    except RecursionError:
        raise too_complex() from None


def _in_full(normalised: Normalised) -> Normalised:
    """The statement with its tokens: one that was recognised by its template has none, and its plan has grown old."""
    if normalised.source.kinds:
        return normalised
    ((statement, _),) = parse_batch(normalised.text)
    assert isinstance(statement, Query), "its template was a query's"
    return statement.normalised


def _made_plan(
    normalised: Normalised, verb: str, parameter_oids: Sequence[int], here: StatementCatalog, io: IoContext
) -> Plan:
    if normalised.language != "sql":
        return _graph_plan(normalised, parameter_oids, here, io)
    tree = parse_query(normalised)
    parameters = Parameters(normalised, parameter_oids)
    graph_tables = GraphTableBinder(here, io)
    context = BindContext(
        here.database, here.search_path, parameters, normalised, parse_stored_query, graph_tables
    )
    query = QueryBinder(context, io).query(tree)
    accesses = accesses_of(query, context.accesses, context.schemas_used, here.database)
    for number, oid in enumerate(parameters.client_types, 1):
        if oid == 0:
            raise errors.IndeterminateDatatype(f"could not determine data type of parameter ${number}")
    compiled = compile_query(query, here)
    main = query.body if isinstance(query, q.With) else query
    row_lock = _first_row_lock(query)
    is_change = bool(written_tables(query))
    relied_on, facts = graph_tables.relied_on()
    return Plan(
        compiled,
        verb,
        tuple(parameters.client_types),
        tuple(parameters.names),
        tuple(parameters.slots),
        tuple(context.row_lists_used),
        _result_columns(main),
        _table_locks(query),
        tuple(context.lookups),
        is_change,
        row_lock,
        is_change or bool(row_lock) or _may_wait_in_functions(query),
        here.catalog.version,
        query,
        (*relied_on, *context.objects_used, *composites_used(query, here.database, io)),
        facts,
        types=tuple(context.types_named),
        shown_types=parameters.shown_types(),
        accesses=accesses,
    )


def composites_used(query: q.Query, database: Database, io: IoContext) -> set[tuple[int, int]]:
    """The composite types of what a query works with, and of their attributes: OIDs and versions."""
    if not io.types.composites:
        return set()
    found: set[int] = set()
    waiting = [node.type.oid & ~1 for node in walk_all(query) if isinstance(node, ex.Expr)]
    while waiting:
        oid = waiting.pop()
        composite = io.types.composites.get(oid)
        if composite is not None and oid not in found:
            found.add(oid)
            waiting += [each.type_oid & ~1 for each in composite.fields]
    return {(oid, database.relations[oid].version) for oid in found}


def _graph_plan(
    normalised: Normalised, parameter_oids: Sequence[int], here: StatementCatalog, io: IoContext
) -> Plan:
    bound = bind_graph_query(normalised, parameter_oids, here, io)
    query, parameters = bound.query, bound.parameters
    is_change = bool(written_tables(query))
    return Plan(
        compile_query(query, here),
        bound.verb,
        tuple(parameters.client_types),
        tuple(parameters.names),
        tuple(parameters.slots),
        (),
        _result_columns(query) if query.columns else None,
        _table_locks(query),
        bound.lookups,
        is_change,
        "",
        is_change or _may_wait_in_functions(query),
        here.catalog.version,
        query,
        bound.objects,
        bound.facts,
        accesses=graph_accesses(query, bound.lookups, bound.objects, here.database),
    )


def _first_row_lock(query: q.Query) -> str:
    """The strength of the statement's first locking clause ('update', 'key share', ...); '' without one.

    Of several clauses about the same rows the strongest counts.
    """
    for node in walk_all(query):
        if isinstance(node, q.Select) and node.locks:
            first = node.locks[0]
            same = [lock for lock in node.locks if set(lock.range_ids) & set(first.range_ids)]
            return max((lock.strength for lock in [first, *same]), key=lambda s: ROW_MODES[s.upper()])
    return ""


def _may_wait_in_functions(query: q.Query) -> bool:
    return any(isinstance(n, ex.Call) and n.function.name in WAITING_FUNCTIONS for n in walk_all(query))


def parse_stored_query(source: str) -> exp.Expression:
    """The tree of a view's query."""
    return parse_query(normalise(source, lift=False))


def _result_columns(main: q.Query) -> tuple[ResultColumn, ...] | None:
    if isinstance(main, (q.Insert, q.Update, q.Delete)) and not main.returning:
        return None
    return tuple(ResultColumn(c.name, c.type, c.table_oid, c.attribute_number) for c in main.columns)


def _table_locks(query: q.Query) -> tuple[tuple[int, int], ...]:
    """The table locks that the statement takes, the strongest per table, in a fixed order."""
    modes: dict[int, int] = {}
    for node in walk_all(query):
        if isinstance(node, q.Scan) and not node.is_virtual:
            modes[node.table_oid] = max(modes.get(node.table_oid, 0), ACCESS_SHARE)
        elif isinstance(node, q.Select) and node.locks:
            locked = {r for lock in node.locks for r in lock.range_ids}
            for scan in walk_all(node.input):
                if isinstance(scan, q.Scan) and scan.range_id in locked:
                    modes[scan.table_oid] = max(modes.get(scan.table_oid, 0), ROW_SHARE_TABLE)
    for table_oid in written_tables(query):
        modes[table_oid] = max(modes.get(table_oid, 0), ROW_EXCLUSIVE)
    return tuple(sorted(modes.items()))


# --- parameters ----------------------------------------

Reader = Callable[[str], object]


def run_time_parameters(
    plan: Plan, normalised: Normalised, client: Sequence[object], io: IoContext
) -> list[object]:
    """The values of the plan's slots for one execution.  Raises what is wrong with a literal's text."""
    if plan.takes_client and len(client) >= len(plan.slots):
        return list(client[: len(plan.slots)])
    values: list[object] = []
    for slot in plan.slots:
        if slot.source == "client":
            if slot.number >= len(client):
                raise errors.UndefinedParameter(f"there is no parameter ${slot.number + 1}")
            values.append(client[slot.number])
        elif slot.source == "literal":
            literal = normalised.literals[slot.number]
            try:
                values.append(read_literal(literal.value, slot.type, io))
            except errors.DatabaseError as error:
                error.position = error.position or literal.position
                raise
        else:
            found = normalised.lists[slot.number]
            element = SqlType(type_info(slot.type.oid).element_oid)
            values.append(tuple([read_literal(value, element, io) for value in found.values]))
    return values


def read_literal(value: int | Decimal | str, target: SqlType, io: IoContext) -> object:
    """A lifted literal as a value of the type its place gave it."""
    if isinstance(value, str):
        if target.oid in (oids.TEXT, oids.UNKNOWN):
            return value
        return text_decoder(target, io)(value)
    if target.oid in _NUMBER_TYPES:
        return value
    if target.oid == oids.NUMERIC:
        return value if isinstance(value, Decimal) else Decimal(value)
    if target.oid in _FLOAT_TYPES:
        return text_decoder(target, io)(str(value))
    return text_decoder(target, io)(str(value))


def row_data(plan: Plan, normalised: Normalised) -> list[list[tuple[int, tuple[object, ...]]]]:
    """The rows of the statement's long VALUES lists."""
    return [normalised.row_lists[number].rows for number in plan.row_lists]  # type: ignore[misc]


from sqlglot import exp  # noqa: E402
