"""Bound queries as SQL text: what pg_get_viewdef prints.

The algebra has forgotten how a query was written (USING, `*`, what columns of tables were called); what is printed
means the same and reads back.  Layout follows PostgreSQL: one output column per line, clauses on lines of their
own, each nested query eight columns further in.

A SELECT block's input is peeled from the outside in: set-returning functions, windows, HAVING, aggregation,
WHERE; what remains is FROM.  Columns of the peeled layers stand for the expressions computed there
and print as those.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from skerry_engine import errors
from skerry_engine.algebra.expressions import (
    Aggregate,
    Call,
    Coalesce,
    Column,
    Const,
    Expr,
    SortKey,
    SubqueryExpr,
    WindowCall,
)
from skerry_engine.algebra.queries import (
    Aggregation,
    CteScan,
    Derived,
    Filter,
    FunctionScan,
    GraphTable,
    Join,
    OneRow,
    ProjectSet,
    Query,
    Relation,
    Scan,
    Select,
    SetOperation,
    Values,
    Window,
    With,
)
from skerry_engine.algebra.traversal import walk_all
from skerry_engine.catalog.deparse import PADDING, Deparser, Names, sort_key_text
from skerry_engine.catalog.quoting import quote_identifier
from skerry_engine.functions.registry import Function

STEP = 8
JOIN_WORDS = {"left": "LEFT JOIN", "right": "RIGHT JOIN", "full": "FULL JOIN"}


@dataclass(frozen=True, slots=True)
class TableName:
    """How a scanned table is written: its name (qualified where needed), its bare name,
    its columns by position."""

    written: str
    bare: str
    columns: dict[int, str]


@dataclass(slots=True)
class _Range:
    """What a range is called and what its columns are."""

    alias: str
    columns: dict[int, str]


@dataclass(slots=True)
class _Layers:
    """A SELECT block's input, taken apart."""

    from_item: Relation
    where: list[Expr] = field(default_factory=list)
    having: list[Expr] = field(default_factory=list)
    aggregation: Aggregation | None = None


class QueryPrinter:
    """Prints one statement's query; `table` tells how a scanned table is written."""

    def __init__(self, names: Names, table: Callable[[int], TableName], pretty: bool) -> None:
        self.table = table
        self.names = Names(
            self._column,
            names.type_name,
            names.constant,
            self._nameless,
            self._shorthand,
            names.attributes,
        )
        self.printer = Deparser(self.names, pretty)
        self.pretty = pretty
        self.ranges: dict[int, _Range] = {}
        self.computed: dict[int, tuple[Expr, ...]] = {}
        self.group_keys: dict[int, tuple[Expr, ...]] = {}
        self.cte_names: dict[int, tuple[str, list[str]]] = {}
        self.aliases: set[str] = set()

    # --- queries --------------------------------------------------------------------------------------------

    def query(
        self, query: Query, indent: int, names: Sequence[str] = (), has_visible_names: bool = True
    ) -> str:
        """A query, its lines after the first indented by `indent` columns and more.

        `names` are what its columns are to be called, if not as they call themselves.  Where nobody sees the names
        an output that has none by itself needs none.  Raises NotSupportedError for what has no text form yet.
        """
        if isinstance(query, Select):
            return self._select(query, indent, names, has_visible_names)
        if isinstance(query, SetOperation):
            return self._set_operation(query, indent, names, has_visible_names)
        if isinstance(query, With):
            return self._with(query, indent, names, has_visible_names)
        raise errors.NotSupportedError(f"printing {type(query).__name__} queries is not supported")

    def _nameless(self, query: Query, indent: int) -> str:
        """A query inside an expression."""
        return self.query(query, indent, (), False)

    def _select(self, query: Select, indent: int, names: Sequence[str], has_visible_names: bool) -> str:
        outer, self.printer.indent = self.printer.indent, indent + STEP
        aliases = set(self.aliases)
        layers = self._enter(query)
        names = names or [column.name for column in query.columns]
        if isinstance(query.input, Values) and _is_plain_values(query, query.input, names):
            return self._value_rows(query.input) + self._tail((), query.limit, query.offset, indent)
        text = " SELECT " + self._distinct(query) + self._targets(query, indent, names, has_visible_names)
        if not isinstance(layers.from_item, OneRow):
            text += f"{_line(indent, 3)}FROM {self._from_list(layers.from_item, indent)}"
        text += self._conditions("WHERE", layers.where, indent, 2)
        text += self._grouping(layers.aggregation, query.outputs, indent)
        text += self._conditions("HAVING", layers.having, indent, 1)
        outputs = query.outputs[: len(names)]
        is_distinct = query.distinct or bool(query.distinct_on)
        text += self._tail(query.order_by, query.limit, query.offset, indent, outputs, is_distinct)
        text += self._locks(query, indent)
        self.printer.indent = outer
        self.aliases = aliases
        return text

    def _enter(self, query: Select) -> _Layers:
        """Take a block apart and give its ranges their names."""
        self.aliases.update(_variables_in(query))
        layers = self._peel(query.input)
        self._name_ranges(layers.from_item)
        return layers

    def _locks(self, query: Select, indent: int) -> str:
        """FOR UPDATE and kin, a clause for each table."""
        text = ""
        for lock in query.locks:
            wait = "" if lock.wait == "block" else f" {lock.wait.upper()}"
            for range_id in lock.range_ids:
                alias = quote_identifier(self.ranges[range_id].alias)
                text += f"{_line(indent, 1)}FOR {lock.strength.upper()} OF {alias}{wait}"
        return text

    def _distinct(self, query: Select) -> str:
        if query.distinct_on:
            return f"DISTINCT ON ({self.printer.arguments(query.distinct_on, False)}) "
        return "DISTINCT " if query.distinct else ""

    def _targets(self, query: Select, indent: int, names: Sequence[str], has_visible_names: bool) -> str:
        unnamed = None if has_visible_names else "?column?"
        pairs = zip(query.outputs, names, strict=False)
        targets = [self._target(expr, name, unnamed) for expr, name in pairs]
        return "".join(_separated(number, target, indent) for number, target in enumerate(targets))

    def _target(self, expr: Expr, name: str, unnamed: str | None) -> str:
        text = self.printer.expression(expr, True)
        own_name = self._column_name(expr) if isinstance(expr, Column) else unnamed
        return text if own_name == name else f"{text} AS {quote_identifier(name)}"

    def _column_name(self, expr: Expr) -> str | None:
        """The name that a column has by itself."""
        if not isinstance(expr, Column):
            return None
        if expr.range_id in self.computed:
            computed = self.computed[expr.range_id]
            return self._column_name(computed[expr.position]) if expr.position < len(computed) else None
        known = self.ranges.get(expr.range_id)
        return None if known is None else known.columns.get(expr.position)

    def _conditions(self, word: str, conditions: list[Expr], indent: int, spaces: int) -> str:
        if not conditions:
            return ""
        texts = [self.printer.expression(condition) for condition in conditions]
        joined = texts[0] if len(texts) == 1 else self.printer.wrap(" AND ".join(texts))
        return f"{_line(indent, spaces)}{word} {joined}"

    def _grouping(self, aggregation: Aggregation | None, outputs: Sequence[Expr], indent: int) -> str:
        if aggregation is None or not (aggregation.keys or aggregation.grouping_sets):
            return ""
        shown = [self._without_layers(output) for output in outputs]
        keys = [self._sort_or_group(key, shown) for key in aggregation.keys]
        if not aggregation.grouping_sets:
            return f"{_line(indent, 2)}GROUP BY {', '.join(keys)}"
        sets = (f"({', '.join(keys[i] for i in positions)})" for positions in aggregation.grouping_sets)
        return f"{_line(indent, 2)}GROUP BY GROUPING SETS ({', '.join(sets)})"

    def _tail(
        self,
        order_by: tuple[SortKey, ...],
        limit: Expr | None,
        offset: Expr | None,
        indent: int,
        outputs: Sequence[Expr] = (),
        is_distinct: bool = False,
    ) -> str:
        text = ""
        if order_by:
            opaque = (SubqueryExpr, WindowCall) if is_distinct else (SubqueryExpr,)
            keys = (
                sort_key_text(self._sort_or_group(k.expr, outputs, opaque), k.descending, k.nulls_first)
                for k in order_by
            )
            text += f"{_line(indent, 2)}ORDER BY {', '.join(keys)}"
        if offset is not None:
            text += f"{_line(indent, 1)}OFFSET {self.printer.expression(offset)}"
        if limit is not None:
            text += f"{_line(indent, 1)}LIMIT {self.printer.expression(limit)}"
        return text

    def _sort_or_group(
        self,
        expr: Expr,
        outputs: Sequence[Expr],
        opaque: type[Expr] | tuple[type[Expr], ...] = SubqueryExpr,
    ) -> str:
        """An item of ORDER BY or GROUP BY: calls are wrapped, and in the pretty variant all but columns.

        A constant carries its type, lest it be read as an output's number; an output with a query in it is printed
        as its number, for two queries are never the same expression; and so is a window under DISTINCT.
        """
        if isinstance(expr, Const):
            text = self.printer.expression(expr)
            return text if "::" in text else f"{text}::{self.names.type_name(expr.type)}"
        parts = walk_all(self._without_layers(expr))
        if expr in outputs and any(isinstance(part, opaque) for part in parts):
            return str(outputs.index(expr) + 1)
        text = self.printer.expression(expr)
        expr = self._without_layers(expr)
        if isinstance(expr, (Column, Const)):
            return text
        is_call = isinstance(expr, (Aggregate, WindowCall)) or (
            isinstance(expr, Call) and expr.operator is None
        )
        return f"({text})" if (self.pretty or is_call) and not text.startswith("(") else text

    def _without_layers(self, expr: Expr) -> Expr:
        """What a column of a layer stands for."""
        while isinstance(expr, Column) and expr.position < len(self.computed.get(expr.range_id, ())):
            expr = self.computed[expr.range_id][expr.position]
        return expr

    def _set_operation(
        self, query: SetOperation, indent: int, names: Sequence[str], has_visible_names: bool
    ) -> str:
        """Both sides take the names that are asked for; by itself only the left one names columns."""
        word = query.kind.upper() + (" ALL" if query.all else "")
        left = self._operand(query, query.left, indent, names, has_visible_names)
        right = self._operand(query, query.right, indent, names, False)
        shown = names or [column.name for column in query.columns]
        self.ranges[query.range_id] = _Range("", dict(enumerate(shown)))
        tail = self._tail(query.order_by, query.limit, query.offset, indent)
        return f"{left}{_line(indent, 0)}{word}{_line(indent, 0)}{right}{tail}"

    def _operand(
        self, parent: SetOperation, side: Query, indent: int, names: Sequence[str], has_visible_names: bool
    ) -> str:
        text = self.query(side, indent, names, has_visible_names)
        is_same = isinstance(side, SetOperation) and (side.kind, side.all) == (parent.kind, parent.all)
        plain = isinstance(side, Select) and not (side.order_by or side.limit or side.offset)
        return text if is_same or plain else f"({text})"

    def _with(self, query: With, indent: int, names: Sequence[str], has_visible_names: bool) -> str:
        """The names of the body's ranges are taken before those of the queries that stand in front of it."""
        recursive = "RECURSIVE " if any(cte.step is not None for cte in query.ctes) else ""
        parts = []
        for cte in query.ctes:
            columns = list(cte.column_names) or _unambiguous(_names_of(cte.query))
            self.cte_names[cte.cte_id] = (cte.name, columns)
        aliases = set(self.aliases)
        if isinstance(query.body, Select):
            self._enter(query.body)
        for cte in query.ctes:
            columns = self.cte_names[cte.cte_id][1]
            body = self.query(cte.query, indent + STEP)
            if cte.step is not None:
                word = "UNION ALL" if cte.union_all else "UNION"
                body += f"{_line(indent + STEP, 0)}{word}{_line(indent + STEP, 0)}"
                body += self.query(cte.step, indent + STEP, (), False)
            name = quote_identifier(cte.name)
            if cte.column_names or columns != _names_of(cte.query):
                name += f"({', '.join(map(quote_identifier, columns))})"
            parts.append(f"{name} AS ({_line(indent, STEP)}{body}{_line(indent, STEP)})")
        self.aliases = aliases
        text = f" WITH {recursive}{', '.join(parts)}{_line(indent, 0)}"
        return text + self.query(query.body, indent, names, has_visible_names)

    # --- taking a block apart -------------------------------------------------------------------------------

    def _peel(self, relation: Relation) -> _Layers:
        above: list[Expr] = []
        while True:
            if isinstance(relation, (ProjectSet, Window)):
                self.computed[relation.range_id] = relation.calls
                relation = relation.input
            elif isinstance(relation, Filter):
                above.append(relation.condition)
                relation = relation.input
            elif isinstance(relation, Aggregation):
                self.computed[relation.range_id] = (*relation.keys, *relation.aggregates)
                self.group_keys[relation.range_id] = relation.keys
                below = self._peel(relation.input)
                return _Layers(below.from_item, below.where, above, relation)
            else:
                return _Layers(relation, above)

    # --- FROM -----------------------------------------------------------------------------------------------

    def _name_ranges(self, relation: Relation) -> None:
        """Give every range of a FROM clause its name before anything that mentions it is printed."""
        if isinstance(relation, Join):
            self._name_ranges(relation.left)
            self._name_ranges(relation.right)
        elif isinstance(relation, Scan):
            columns = self.table(relation.table_oid).columns
            self.ranges[relation.range_id] = _Range(self._alias(relation.alias or relation.name), columns)
        elif isinstance(relation, CteScan):
            name, columns_of_cte = self.cte_names[relation.cte_id]
            self._add(relation.range_id, relation.alias or name, columns_of_cte)
        elif isinstance(relation, Derived):
            columns_of_query = list(relation.column_names) or _names_of(relation.query)
            self._add(relation.range_id, relation.alias or "subquery", _unambiguous(columns_of_query))
        elif isinstance(relation, Values):
            names = [f"column{i}" for i in range(1, len(relation.types) + 1)]
            self._add(relation.range_id, "values", names)
        elif isinstance(relation, GraphTable):
            self._add(relation.range_id, "graph_table", [column.name for column in relation.columns])
        elif isinstance(relation, FunctionScan):
            columns_of_calls = list(relation.column_names) or _function_columns(relation)
            alias = relation.alias or _function_alias(relation)
            self._add(relation.range_id, alias, _unambiguous(columns_of_calls))

    def _add(self, range_id: int, alias: str, columns: list[str]) -> None:
        self.ranges[range_id] = _Range(self._alias(alias), dict(enumerate(columns)))

    def _alias(self, wanted: str) -> str:
        alias, number = wanted, 0
        while alias in self.aliases:
            number += 1
            alias = f"{wanted}_{number}"
        self.aliases.add(alias)
        return alias

    def _from_list(self, relation: Relation, indent: int) -> str:
        """Joins without a condition at the top are FROM's comma."""
        items: list[tuple[Relation, bool]] = []
        while isinstance(relation, Join) and relation.kind == "inner" and relation.condition is None:
            items.append((relation.right, relation.lateral))
            relation = relation.left
        items.append((relation, False))
        texts = [self._from_item(item, indent, lateral) for item, lateral in reversed(items)]
        return f",{_line(indent, 4)}".join(texts)

    def _from_item(self, relation: Relation, indent: int, lateral: bool = False) -> str:
        if isinstance(relation, Join):
            return self._join(relation, indent)
        if isinstance(relation, Scan):
            return self._scan(relation)
        if isinstance(relation, CteScan):
            name = self.cte_names[relation.cte_id][0]
            return _aliased(quote_identifier(name), name, self.ranges[relation.range_id].alias)
        prefix = "LATERAL " if lateral else ""
        if isinstance(relation, Derived):
            known = self.ranges[relation.range_id]
            alias, columns = quote_identifier(known.alias), list(known.columns.values())
            if columns != _names_of(relation.query):
                alias += f"({', '.join(map(quote_identifier, columns))})"
            return f"{prefix}({self.query(relation.query, indent + STEP)}) {alias}"
        if isinstance(relation, Values):
            return self._values(relation)
        if isinstance(relation, GraphTable):
            return self._graph_table(relation)
        if isinstance(relation, FunctionScan):
            return prefix + self._function_scan(relation)
        raise errors.NotSupportedError(f"printing {type(relation).__name__} in FROM is not supported")

    def _scan(self, relation: Scan) -> str:
        table = self.table(relation.table_oid)
        return _aliased(table.written, table.bare, self.ranges[relation.range_id].alias)

    def _graph_table(self, relation: GraphTable) -> str:
        text = f"GRAPH_TABLE ({self.table(relation.graph_oid).written} {relation.pieces[0]}"
        for column, piece in zip(relation.outer, relation.pieces[1:], strict=True):
            text += self.printer.expression(column) + piece
        alias = self.ranges[relation.range_id].alias
        return f"{text})" if alias == "graph_table" else f"{text}) {quote_identifier(alias)}"

    def _join(self, relation: Join, indent: int) -> str:
        left = self._from_item(relation.left, indent)
        right = self._from_item(relation.right, indent, relation.lateral)
        if self.pretty and isinstance(relation.right, Join):
            right = f"({right})"
        word = JOIN_WORDS.get(relation.kind, "JOIN" if relation.condition is not None else "CROSS JOIN")
        text = f"{left}{_line(indent, 5)}{word} {right}"
        if relation.condition is not None:
            text += f" ON {self.printer.wrap(self.printer.expression(relation.condition))}"
        elif relation.kind != "inner":
            text += f" ON {self.printer.wrap('true')}"
        return text if self.pretty else f"({text})"

    def _value_rows(self, relation: Values) -> str:
        if relation.templates:
            raise errors.NotSupportedError("printing a long VALUES list is not supported")
        rows = (",".join(self.printer.expression(item) for item in row) for row in relation.rows)
        return f" VALUES {', '.join(f'({row})' for row in rows)}"

    def _values(self, relation: Values) -> str:
        known = self.ranges[relation.range_id]
        columns = ", ".join(quote_identifier(name) for name in known.columns.values())
        return f"({self._value_rows(relation)}) {quote_identifier(known.alias)}({columns})"

    def _function_scan(self, relation: FunctionScan) -> str:
        calls = [self.printer.expression(call) for call in relation.calls]
        text = calls[0] if len(calls) == 1 else f"ROWS FROM({', '.join(calls)})"
        ordinality = " WITH ORDINALITY" if relation.ordinality else ""
        known = self.ranges[relation.range_id]
        columns = ", ".join(quote_identifier(name) for name in known.columns.values())
        return f"{text}{ordinality} {quote_identifier(known.alias)}({columns})"

    # --- columns --------------------------------------------------------------------------------------------

    def _column(self, range_id: int, position: int) -> str:
        computed = self.computed.get(range_id)
        if computed is not None:
            return self._computed_column(computed, position)
        known = self.ranges.get(range_id)
        if known is None or position not in known.columns:
            raise errors.NotSupportedError("printing a column of an unknown range is not supported")
        name = quote_identifier(known.columns[position])
        return f"{quote_identifier(known.alias)}.{name}" if known.alias else name

    def _computed_column(self, computed: tuple[Expr, ...], position: int) -> str:
        if position >= len(computed):
            raise errors.NotSupportedError("printing a group's bit mask is not supported")
        expr = computed[position]
        text = self.printer.expression(expr, True)
        return f"({text})" if self.pretty and isinstance(expr, Call) and expr.operator is not None else text

    def _shorthand(self, expr: Call) -> str | None:
        return self._grouping_call(expr) if expr.operator is not None else self._row_to_json(expr)

    def _row_to_json(self, expr: Call) -> str | None:
        """row_to_json(t.*), of which the binder makes a call with each column as JSON; None for other rows."""
        items = [_json_item(arg) for arg in expr.args]
        first = items[0] if items else None
        if not isinstance(first, Column) or first.range_id not in self.ranges:
            return None
        known = self.ranges[first.range_id]
        positions = [
            item.position if isinstance(item, Column) and item.range_id == first.range_id else -1
            for item in items
        ]
        if positions != list(known.columns) or not known.alias:
            return None
        return f"row_to_json({quote_identifier(known.alias)}.*)"

    def _grouping_call(self, expr: Call) -> str | None:
        """GROUPING(a, b), of which the binder makes shifts and masks; None for anything else."""
        found = _grouping_bits(expr)
        keys = self.group_keys.get(found[0].range_id, ()) if found else ()
        if found is None or found[0].position != len(self.computed.get(found[0].range_id, ())):
            return None
        wanted = (keys[len(keys) - 1 - bit] for bit in found[1])
        return f"GROUPING({', '.join(self.printer.expression(key) for key in wanted)})"


def _json_item(arg: Expr) -> Expr | None:
    """The x of coalesce(to_json(x), 'null')."""
    call = arg.args[0] if isinstance(arg, Coalesce) else None
    item = call.args[0] if isinstance(call, Call) and len(call.args) == 1 else None
    return item.args[0] if isinstance(item, Call) and item.function.oid == PADDING else item


def _grouping_bits(expr: Expr) -> tuple[Column, list[int]] | None:
    """The mask and the bits of `(mask >> bit & 1) << place | ...`, first bit first."""
    if isinstance(expr, Call) and expr.operator == "|":
        left, right = (_grouping_bits(arg) for arg in expr.args)
        return (left[0], left[1] + right[1]) if left and right and left[0] == right[0] else None
    for operator in ("<<", "&", ">>"):
        if not isinstance(expr, Call) or expr.operator != operator:
            return None
        expr, bit = expr.args
    mask = expr
    if isinstance(mask, Column) and isinstance(bit, Const) and isinstance(bit.value, int):
        return mask, [bit.value]
    return None


def _variables_in(query: Query) -> list[str]:
    """The names that graph patterns anywhere in a query use, which its ranges had better not have."""
    return [name for each in walk_all(query) if isinstance(each, GraphTable) for name in each.variables]


def _names_of(query: Query) -> list[str]:
    return [column.name for column in query.columns]


def _unambiguous(names: list[str]) -> list[str]:
    """Names under which columns can be told apart: repeated ones are numbered."""
    taken: set[str] = set()
    found: list[str] = []
    for name in names:
        unique, number = name, 0
        while unique in taken or (number and unique in names):
            number += 1
            unique = f"{name}_{number}"
        taken.add(unique)
        found.append(unique)
    return found


def _is_plain_values(query: Select, values: Values, names: Sequence[str]) -> bool:
    """Whether the block is a bare VALUES list, with the names that one has."""
    if query.order_by or query.distinct or len(query.outputs) != len(values.types):
        return False
    if list(names) != [f"column{i}" for i in range(1, len(values.types) + 1)]:
        return False
    return all(isinstance(o, Column) and o.position == i for i, o in enumerate(query.outputs))


def _separated(number: int, target: str, indent: int) -> str:
    """A target with what stands before it; one that begins a line itself (CASE) needs no line break."""
    if number == 0:
        return target
    return f",{target}" if target.startswith("\n") else f",{_line(indent, 4)}{target}"


def _line(indent: int, spaces: int) -> str:
    return "\n" + " " * (indent + spaces)


def _aliased(written: str, bare: str, alias: str) -> str:
    return written if alias == bare else f"{written} {quote_identifier(alias)}"


def _function_alias(relation: FunctionScan) -> str:
    first = relation.calls[0]
    return first.function.name if isinstance(first, Call) else "function"


def _function_columns(relation: FunctionScan) -> list[str]:
    names: list[str] = []
    for call, count in zip(relation.calls, relation.column_counts, strict=True):
        function = call.function if isinstance(call, Call) else None
        if isinstance(function, Function) and len(function.result_columns) == count:
            names += [name for name, _ in function.result_columns]
        else:
            base = function.name if function is not None else "column"
            names += [base] if count == 1 else [f"{base}{i}" for i in range(1, count + 1)]
    return [*names, "ordinality"] if relation.ordinality else names
