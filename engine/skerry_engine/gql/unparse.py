"""Syntax trees as text: what a definition that is stored says, what an error or EXPLAIN shows.

    parse(unparse(tree)) == tree

One blank between tokens where one helps, brackets only where precedence needs them, names in `accents` only where
they could be taken for a keyword.  Notation that the parser resolves comes back in one form (`CREATE (...)` as INSERT,
simplified patterns as edge patterns, `IS LABELED x` as `:x`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Final

from skerry_engine.gql import tree
from skerry_engine.gql.tables import tables

_WORD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ESCAPES: Final = str.maketrans(
    {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}
)
_NAME_ESCAPES: Final = str.maketrans({"\\": "\\\\", "`": "``"})

# How much an expression binds: an operand needs at least what its place asks for
_OR: Final = 1
_AND: Final = 2
_NOT: Final = 3
_TRUTH: Final = 4
_COMPARED: Final = 5
_TESTED: Final = 6
_SIGN: Final = 10
_LABELED: Final = 11
_PRIMARY: Final = 12
_BINARY: Final = {
    "or": _OR, "xor": _OR, "and": _AND,
    "=": _COMPARED, "<>": _COMPARED, "<": _COMPARED, "<=": _COMPARED, ">": _COMPARED, ">=": _COMPARED,
    "in": _TESTED, "like": _TESTED, "contains": _TESTED, "starts with": _TESTED, "ends with": _TESTED,
    "||": 7, "+": 8, "-": 8, "*": 9, "/": 9, "%": 9,
}  # fmt: skip
_TESTS: Final = (tree.IsNull, tree.IsTyped, tree.IsNormalized, tree.IsDirected, tree.IsEndpoint)
_EDGES: Final = {
    "left": ("<-[", "]-"),
    "right": ("-[", "]->"),
    "undirected": ("~[", "]~"),
    "left or undirected": ("<~[", "]~"),
    "undirected or right": ("~[", "]~>"),
    "left or right": ("<-[", "]->"),
    "any": ("-[", "]-"),
}
_TRIM_SIDES: Final = frozenset(("leading", "trailing", "both"))


def unparse(node: tree.Node) -> str:
    """The node as text."""
    return _WRITERS[type(node)](node)


# --- names ----------------------------------------------------------------------------------------------------


def name_text(name: str) -> str:
    """A name, in accents where it would not be read as it is."""
    if _WORD.fullmatch(name) and name.upper() not in tables().words:
        return name
    return f"`{name.translate(_NAME_ESCAPES)}`"


def _variable(name: str) -> str:
    """A variable where a value may stand: some words would be functions there."""
    return f"`{name}`" if name.lower() in _BARE_FUNCTIONS else name_text(name)


def string_text(value: str) -> str:
    """A string in quotes."""
    return f"'{value.translate(_ESCAPES)}'"


def _parameter(name: str, mark: str = "$") -> str:
    if _WORD.fullmatch(name) or name.isdecimal():
        return mark + name
    return f"{mark}`{name.translate(_NAME_ESCAPES)}`"


def _names(names: Sequence[str], separator: str = ", ") -> str:
    return separator.join([name_text(name) for name in names])


def _list(nodes: Sequence[tree.Node], separator: str = ", ") -> str:
    return separator.join([unparse(node) for node in nodes])


def _words(*parts: str | None) -> str:
    """The parts that there are, with blanks between them."""
    return " ".join([part for part in parts if part])


def _schema(node: tree.SchemaName) -> str:
    if node.kind == "home":
        return "HOME_SCHEMA"
    if node.kind == "current":
        return "CURRENT_SCHEMA"
    if node.kind == "relative":
        return "/".join([part if part == ".." else name_text(part) for part in node.path])
    return "/" + "/".join([name_text(part) for part in node.path])


def _object(node: tree.ObjectName) -> str:
    schema = node.schema
    if schema is None:
        return name_text(node.name)
    if schema.kind in ("home", "current"):
        return f"{_schema(schema)}.{_names([*schema.path, node.name], '.')}"
    before = _schema(schema)
    return f"{before}{'' if before.endswith('/') else '/'}{name_text(node.name)}"


def _graph(node: tree.GraphReference) -> str:
    if node.kind == "current":
        return "CURRENT_GRAPH"
    if node.kind == "home":
        return "HOME_GRAPH"
    if node.kind == "parameter" or node.name is None:
        return _parameter(node.parameter)
    return _object(node.name)


# --- types ----------------------------------------------------------------------------------------------------


def _not_null(text: str, node: tree.SimpleType | tree.ListType | tree.RecordType | tree.UnionType) -> str:
    return f"{text} NOT NULL" if node.not_null else text


def _simple_type(node: tree.SimpleType) -> str:
    name = node.name.upper()
    lengths = f"({', '.join([str(n) for n in node.parameters])})" if node.parameters else ""
    for zone in (" WITH TIME ZONE", " WITHOUT TIME ZONE"):
        if name.endswith(zone):
            return _not_null(f"{name.removesuffix(zone)}{lengths}{zone}", node)
    return _not_null(name + lengths, node)


def _list_type(node: tree.ListType) -> str:
    element = "" if node.element is None else f"<{unparse(node.element)}>"
    length = "" if node.max_length is None else f"[{node.max_length}]"
    return _not_null(f"LIST{element}{length}", node)


def _record_type(node: tree.RecordType) -> str:
    return _not_null("RECORD" if node.fields is None else f"RECORD {{{_list(node.fields)}}}", node)


def _union_type(node: tree.UnionType) -> str:
    return _not_null(f"ANY<{_list(node.alternatives, ' | ')}>", node)


# --- expressions ----------------------------------------------------------------------------------------------


def _level(node: tree.Expr) -> int:
    """How much an expression binds when it is written out."""
    if isinstance(node, tree.Binary):
        return _BINARY[node.operator]
    if isinstance(node, tree.Unary):
        return _NOT if node.operator == "not" else _SIGN
    if isinstance(node, tree.IsTruth):
        return _TRUTH
    if isinstance(node, tree.IsLabeled):
        return _TESTED if node.negated else _LABELED
    if isinstance(node, _TESTS):
        return _TESTED
    return _PRIMARY


def _operand(node: tree.Expr, level: int) -> str:
    text = unparse(node)
    return text if _level(node) >= level else f"({text})"


def _owner(node: tree.Expr) -> str:
    """An expression before a dot: a number's would be its own."""
    return f"({unparse(node)})" if isinstance(node, tree.Literal) else _operand(node, _PRIMARY)


def _literal(node: tree.Literal) -> str:
    value = node.value
    match value:
        case None:
            return "NULL"
        case bool():
            return "TRUE" if value else "FALSE"
        case str():
            return string_text(value)
        case bytes():
            return f"X'{value.hex()}'"
        case float():
            text = repr(value)
            return text if "e" in text else f"{text}F"
        case Decimal():
            text = f"{value:f}"
            return text if "." in text else f"{text}M"
    return str(value)


def _unary(node: tree.Unary) -> str:
    if node.operator == "not":
        return f"NOT {_operand(node.arg, _NOT)}"
    return f"{node.operator} {_operand(node.arg, _SIGN)}"


def _binary(node: tree.Binary) -> str:
    level = _BINARY[node.operator]
    return f"{_operand(node.left, level)} {node.operator.upper()} {_operand(node.right, level + 1)}"


def _negated(negated: bool) -> str:
    return "IS NOT" if negated else "IS"


def _is_truth(node: tree.IsTruth) -> str:
    word = {True: "TRUE", False: "FALSE", None: "UNKNOWN"}[node.value]
    return f"{_operand(node.arg, _TRUTH)} {_negated(node.negated)} {word}"


def _test(node: Any, text: str) -> str:
    return f"{_operand(node.arg, _TESTED)} {_negated(node.negated)} {text}"


def _is_labeled(node: tree.IsLabeled) -> str:
    if node.negated:
        return _test(node, f"LABELED {unparse(node.label)}")
    return f"{_operand(node.arg, _LABELED)}:{unparse(node.label)}"


def _is_normalized(node: tree.IsNormalized) -> str:
    return _test(node, f"{node.form.upper()} NORMALIZED")


def _is_endpoint(node: tree.IsEndpoint) -> str:
    return _test(node, f"{node.end.upper()} OF {_operand(node.edge, _PRIMARY)}")


def _slice(node: tree.Slice) -> str:
    lower = "" if node.lower is None else f"{unparse(node.lower)} "
    upper = "" if node.upper is None else f" {unparse(node.upper)}"
    return f"{_operand(node.arg, _PRIMARY)}[{lower}..{upper}]"


def _let_value(node: tree.LetValue) -> str:
    definitions = [_before_in(definition) for definition in node.definitions]
    return f"LET {', '.join(definitions)} IN {unparse(node.body)} END"


def _before_in(node: tree.ValueDefinition) -> str:
    """A definition of LET ... IN ... END, where IN is no operator."""
    value = unparse(node.value)
    if any(isinstance(part, tree.Binary) and part.operator == "in" for part in _open_parts(node.value)):
        value = f"({value})"
    return f"{_defined(node)} = {value}"


def _open_parts(node: tree.Expr) -> list[tree.Expr]:
    """An expression and those of its operands that may stand without brackets."""
    found = [node]
    if isinstance(node, tree.Binary):
        found += _open_parts(node.left) + _open_parts(node.right)
    elif isinstance(node, (tree.Unary, tree.IsTruth, tree.IsLabeled, *_TESTS)):
        found += _open_parts(node.arg)
    return found


def _defined(node: tree.ValueDefinition) -> str:
    if node.type is None:
        return name_text(node.variable)
    return f"VALUE {name_text(node.variable)} TYPED {unparse(node.type)}"


def _case(node: tree.Case) -> str:
    operand = None if node.operand is None else unparse(node.operand)
    branches = [_branch(branch, node.operand is not None) for branch in node.branches]
    otherwise = None if node.otherwise is None else f"ELSE {unparse(node.otherwise)}"
    return _words("CASE", operand, *branches, otherwise, "END")


def _branch(node: tree.CaseBranch, is_simple: bool) -> str:
    conditions = [_condition(one) if is_simple else unparse(one) for one in node.conditions]
    return f"WHEN {', '.join(conditions)} THEN {unparse(node.result)}"


def _condition(node: tree.Expr) -> str:
    """A condition of a simple CASE, without its operand."""
    if isinstance(node, tree.Binary) and isinstance(node.left, tree.CaseOperand):
        right = unparse(node.right)
        return right if node.operator == "=" else f"{node.operator} {right}"
    return unparse(node).lstrip()


def _call(node: tree.Call) -> str:
    name = node.name
    if name == "trim" and isinstance(node.args[0], tree.Literal) and node.args[0].value in _TRIM_SIDES:
        side = str(node.args[0].value).upper()
        if len(node.args) > 1:
            return (
                f"TRIM({_words(side, *[unparse(a) for a in node.args[1:-1]])} FROM {unparse(node.args[-1])})"
            )
    if not node.args and not node.is_star and name in _BARE_FUNCTIONS:
        return name.upper()
    inside = "*" if node.is_star else _list(node.args)
    shown = name.upper() if name == "trim" else name
    return f"{shown}({'DISTINCT ' if node.is_distinct else ''}{inside})"


_BARE_FUNCTIONS: Final = frozenset(
    ("current_date", "current_time", "current_timestamp", "local_time", "local_timestamp", "session_user")
)


# --- labels and patterns --------------------------------------------------------------------------------------


def _label_part(node: tree.Label, *kinds: type[tree.Label]) -> str:
    text = unparse(node)
    return f"({text})" if isinstance(node, kinds) else text


def _label_and(node: tree.LabelAnd) -> str:
    return " & ".join([_label_part(item, tree.LabelOr, tree.LabelAnd) for item in node.items])


def _label_or(node: tree.LabelOr) -> str:
    return " | ".join([_label_part(item, tree.LabelOr) for item in node.items])


def _filler(node: tree.NodePattern | tree.EdgePattern) -> str:
    variable = "" if node.variable is None else name_text(node.variable)
    label = "" if node.label is None else f":{unparse(node.label)}"
    properties = f"{{{_list(node.properties)}}}" if node.properties else ""
    where = "" if node.where is None else f"WHERE {unparse(node.where)}"
    return _words(variable + label, properties, where)


def _edge(node: tree.EdgePattern) -> str:
    opener, closer = _EDGES[node.direction]
    return f"{opener}{_filler(node)}{closer}"


def _subpath(node: tree.Subpath) -> str:
    variable = None if node.variable is None else f"{name_text(node.variable)} ="
    mode = None if node.mode is None else node.mode.upper()
    where = None if node.where is None else f"WHERE {unparse(node.where)}"
    return f"({_words(variable, mode, unparse(node.item), where)})"


def _quantified(node: tree.Quantified) -> str:
    if node.upper is None:
        mark = {0: "*", 1: "+"}.get(node.lower, f"{{{node.lower},}}")
    elif node.lower == node.upper:
        mark = f"{{{node.lower}}}"
    else:
        mark = f"{{{node.lower},{node.upper}}}"
    return unparse(node.item) + mark


def _prefix(node: tree.PathPrefix) -> str:
    mode = None if node.mode is None else node.mode.upper()
    count = None if node.count is None else unparse(node.count)
    if node.selector == "shortest groups":
        return _words("SHORTEST", count, mode, "GROUPS")
    return _words(None if node.selector is None else node.selector.upper(), count, mode)


def _path_pattern(node: tree.PathPattern) -> str:
    variable = None if node.variable is None else f"{name_text(node.variable)} ="
    prefix = None if node.prefix is None else unparse(node.prefix)
    return _words(variable, prefix, unparse(node.item))


def _graph_pattern(node: tree.GraphPattern) -> str:
    mode = None if node.match_mode is None else node.match_mode.upper()
    keep = None if node.keep is None else f"KEEP {unparse(node.keep)}"
    where = None if node.where is None else f"WHERE {unparse(node.where)}"
    yields = None if node.yields is None else f"YIELD {_names(node.yields)}"
    return _words(mode, _list(node.paths), keep, where, yields)


# --- clauses --------------------------------------------------------------------------------------------------


def _optional_match(node: tree.OptionalMatch) -> str:
    if len(node.matches) == 1 and isinstance(node.matches[0], tree.Match):
        return f"OPTIONAL {unparse(node.matches[0])}"
    return f"OPTIONAL {{{_list(node.matches, ' ')}}}"


def _for(node: tree.For) -> str:
    counting = None
    if node.counting is not None and node.counter is not None:
        counting = f"WITH {node.counting.upper()} {name_text(node.counter)}"
    return _words("FOR", name_text(node.variable), "IN", unparse(node.source), counting)


def _sort_item(node: tree.SortItem) -> str:
    direction = "DESC" if node.is_descending else None
    nulls = None if node.nulls is None else f"NULLS {node.nulls.upper()}"
    return _words(unparse(node.value), direction, nulls)


def _page(node: tree.Page) -> str:
    order = f"ORDER BY {_list(node.order_by)}" if node.order_by else None
    offset = None if node.offset is None else f"OFFSET {unparse(node.offset)}"
    limit = None if node.limit is None else f"LIMIT {unparse(node.limit)}"
    return _words(order, offset, limit)


def _aliased(node: tree.ReturnItem) -> str:
    return unparse(node.value) + ("" if node.alias is None else f" AS {name_text(node.alias)}")


def _return(node: tree.Return) -> str:
    items = "*" if node.is_star else _list(node.items)
    groups = None
    if node.group_by is not None:
        groups = f"GROUP BY {_list(node.group_by) or '()'}"
    page = None if node.page is None else unparse(node.page)
    return _words("RETURN", "DISTINCT" if node.is_distinct else None, items, groups, page)


def _yields(items: Sequence[tree.YieldItem] | None) -> str | None:
    return None if items is None else f"YIELD {_list(items)}"


def _yield_item(node: tree.YieldItem) -> str:
    return name_text(node.name) + ("" if node.alias is None else f" AS {name_text(node.alias)}")


def _call_inline(node: tree.CallInline) -> str:
    scope = None if node.scope is None else f"({_names(node.scope)})"
    return _words("OPTIONAL" if node.is_optional else None, "CALL", scope, _braced(node.body))


def _call_named(node: tree.CallNamed) -> str:
    call = f"{unparse(node.name)}({_list(node.args)})"
    return _words("OPTIONAL" if node.is_optional else None, "CALL", call, _yields(node.yields))


def _braced(node: tree.Procedure) -> str:
    return f"{{{unparse(node)}}}"


def _set_labels(node: tree.SetLabels | tree.RemoveLabels) -> str:
    return f"{name_text(node.variable)}:{_names(node.labels, ' & ')}"


def _set_all(node: tree.SetAllProperties) -> str:
    return f"{name_text(node.variable)} {'+=' if node.is_added else '='} {unparse(node.value)}"


def _merge(node: tree.Merge) -> str:
    on_create = f"ON CREATE SET {_list(node.on_create)}" if node.on_create else None
    on_match = f"ON MATCH SET {_list(node.on_match)}" if node.on_match else None
    return _words("MERGE", unparse(node.path), on_create, on_match)


def _combined(node: tree.Combined) -> str:
    operator = node.operator.upper() + (" ALL" if node.is_all else "")
    return f"{unparse(node.left)} {operator} {unparse(node.right)}"


def _nested(node: tree.Nested) -> str:
    return _words(None if node.graph is None else f"USE {unparse(node.graph)}", _braced(node.body))


def _next(node: tree.Next) -> str:
    return _words("NEXT", _yields(node.yields), unparse(node.statement))


def _definition(node: tree.VariableDefinition, variable: str | None = None) -> str:
    name = variable or name_text(node.variable)
    of = None
    if isinstance(node.type, tree.RecordType) and node.kind == "table":
        of = f"TABLE {{{_list(node.type.fields or ())}}}"
    elif isinstance(node.type, tree.GraphTypeSource):
        of = _graph_type(node.type)
    elif node.type is not None:
        of = f"TYPED {unparse(node.type)}"
    value = _braced(node.value) if isinstance(node.value, tree.Procedure) else unparse(node.value)
    return _words(node.kind.upper(), name, of, "=", value)


def _procedure(node: tree.Procedure) -> str:
    schema = None if node.schema is None else f"AT {unparse(node.schema)}"
    return _words(schema, _list(node.definitions, " "), unparse(node.first), _list(node.nexts, " "))


# --- catalog --------------------------------------------------------------------------------------------------


def _property_type(node: tree.PropertyType) -> str:
    return f"{name_text(node.name)} {unparse(node.type)}" + (" UNIQUE" if node.is_unique else "")


def _element_filler(node: tree.ElementFiller) -> str:
    keys = None
    if node.key_labels is not None:
        keys = _words(f":{_names(node.key_labels, ' & ')}" if node.key_labels else None, "=>")
    labels = f":{_names(node.labels, ' & ')}" if node.labels else None
    # a type with neither labels nor properties is still a type
    properties = f"{{{_list(node.properties)}}}" if node.properties else None
    return _words(keys, labels, properties)


def _node_type(node: tree.NodeType) -> str:
    name = None if node.name is None else f"NODE TYPE {name_text(node.name)}"
    alias = None if node.alias is None else name_text(node.alias)
    return _words(name, f"({_words(alias, unparse(node.filler))})")


def _endpoint(node: tree.Endpoint) -> str:
    alias = None if node.alias is None else name_text(node.alias)
    filler = None if node.filler is None else unparse(node.filler) or "{}"
    return f"({_words(alias, filler)})"


def _edge_type(node: tree.EdgeType) -> str:
    name = None if node.name is None else f"EDGE TYPE {name_text(node.name)}"
    opener, closer = _EDGES["right" if node.is_directed else "undirected"]
    arc = f"{opener}{unparse(node.filler) or '{}'}{closer}"
    return _words(name, f"{unparse(node.source)}{arc}{unparse(node.target)}")


def _constraint_text(node: tree.ConstraintType) -> str:
    properties = ", ".join([f"v.{name_text(name)}" for name in node.properties])
    if len(node.properties) > 1:
        properties = f"({properties})"
    kind = {"unique": "IS UNIQUE", "key": "IS KEY", "not null": "IS NOT NULL"}.get(node.kind, "IS TYPED")
    of = None if node.type is None else unparse(node.type)
    return _words("FOR", _target(node.is_edge, node.label), "REQUIRE", properties, kind, of)


def _target(is_edge: bool, label: str | None) -> str:
    inside = "v" if label is None else f"v:{name_text(label)}"
    return f"()-[{inside}]->()" if is_edge else f"({inside})"


def _constraint_type(node: tree.ConstraintType) -> str:
    name = None if node.name is None else f"CONSTRAINT {name_text(node.name)}"
    return _words(name, _constraint_text(node))


def _graph_type(node: tree.GraphTypeSource) -> str:
    match node:
        case tree.OpenType():
            return "ANY GRAPH"
        case tree.NamedType():
            return f"TYPED {unparse(node.name)}"
        case tree.LikeType():
            return f"LIKE {unparse(node.graph)}"
        case tree.ListedType():
            return f"{{{_list(node.elements)}}}"
    raise AssertionError(f"no graph type: {type(node).__name__}")


def _created(is_replace: bool, what: str, if_not_exists: bool) -> str:
    return _words("CREATE", "OR REPLACE" if is_replace else None, what, _unless(if_not_exists))


def _unless(if_not_exists: bool) -> str | None:
    return "IF NOT EXISTS" if if_not_exists else None


def _create_graph(node: tree.CreateGraph) -> str:
    of = None if node.type is None else _graph_type(node.type)
    copy = None if node.copy_of is None else f"AS COPY OF {unparse(node.copy_of)}"
    return _words(_created(node.is_replace, "GRAPH", node.if_not_exists), unparse(node.name), of, copy)


def _create_graph_type(node: tree.CreateGraphType) -> str:
    source = node.source
    of = f"COPY OF {unparse(source.name)}" if isinstance(source, tree.NamedType) else _graph_type(source)
    return _words(_created(node.is_replace, "GRAPH TYPE", node.if_not_exists), unparse(node.name), of)


def _create_index(node: tree.CreateGraphIndex) -> str:
    name = None if node.name is None else name_text(node.name)
    properties = ", ".join([f"v.{name_text(each)}" for each in node.properties])
    on = f"ON ({properties})" if properties else None
    return _words(
        "CREATE INDEX", _unless(node.if_not_exists), name, "FOR", _target(node.is_edge, node.label), on
    )


def _create_constraint(node: tree.CreateConstraint) -> str:
    name = None if node.constraint.name is None else name_text(node.constraint.name)
    return _words("CREATE CONSTRAINT", _unless(node.if_not_exists), name, _constraint_text(node.constraint))


def _drop(what: str) -> Callable[[Any], str]:
    def write(node: Any) -> str:
        name = name_text(node.name) if isinstance(node.name, str) else unparse(node.name)
        return _words("DROP", what, "IF EXISTS" if node.if_exists else None, name)

    return write


# --- sessions and transactions --------------------------------------------------------------------------------


def _session_parameter(node: tree.SessionSetParameter) -> str:
    condition = "IF NOT EXISTS " if node.if_not_exists else ""
    variable = condition + _parameter(node.definition.variable)
    return f"SESSION SET {_definition(node.definition, variable)}"


def _session_reset(node: tree.SessionReset) -> str:
    parameter = _parameter(node.parameter) if node.what == "parameter" else None
    return _words("SESSION RESET", node.what.upper(), parameter)


def _start_transaction(node: tree.StartTransaction) -> str:
    modes: list[str] = []
    if node.isolation is not None:
        modes.append(f"ISOLATION LEVEL {node.isolation.upper()}")
    if node.read_only is not None:
        modes.append("READ ONLY" if node.read_only else "READ WRITE")
    if node.deferrable is not None:
        modes.append("DEFERRABLE" if node.deferrable else "NOT DEFERRABLE")
    return _words("START TRANSACTION", ", ".join(modes))


def _rollback(node: tree.Rollback) -> str:
    return "ROLLBACK" if node.savepoint is None else f"ROLLBACK TO SAVEPOINT {name_text(node.savepoint)}"


def _graph_table(node: tree.GraphTable) -> str:
    return f"{unparse(node.graph)} MATCH {unparse(node.pattern)} COLUMNS ({_list(node.columns)})"


_WRITERS: Final[dict[type[tree.Node], Callable[[Any], str]]] = {
    tree.SchemaName: _schema,
    tree.ObjectName: _object,
    tree.GraphReference: _graph,
    tree.SimpleType: _simple_type,
    tree.ListType: _list_type,
    tree.FieldType: lambda n: f"{name_text(n.name)} {unparse(n.type)}",
    tree.RecordType: _record_type,
    tree.UnionType: _union_type,
    tree.Literal: _literal,
    tree.TemporalLiteral: lambda n: f"{n.kind.upper()} {string_text(n.text)}",
    tree.Parameter: lambda n: _parameter(n.name),
    tree.Variable: lambda n: _variable(n.name),
    tree.Property: lambda n: f"{_owner(n.arg)}.{name_text(n.name)}",
    tree.AllProperties: lambda n: f"{_owner(n.arg)}.*",
    tree.Index: lambda n: f"{_operand(n.arg, _PRIMARY)}[{unparse(n.index)}]",
    tree.Slice: _slice,
    tree.ListValue: lambda n: f"[{_list(n.items)}]",
    tree.Field: lambda n: f"{name_text(n.name)}: {unparse(n.value)}",
    tree.RecordValue: lambda n: f"{{{_list(n.fields)}}}",
    tree.PathValue: lambda n: f"PATH [{_list(n.items)}]",
    tree.Unary: _unary,
    tree.Binary: _binary,
    tree.IsNull: lambda n: _test(n, "NULL"),
    tree.IsTruth: _is_truth,
    tree.IsTyped: lambda n: _test(n, f"TYPED {unparse(n.type)}"),
    tree.IsNormalized: _is_normalized,
    tree.IsDirected: lambda n: _test(n, "DIRECTED"),
    tree.IsLabeled: _is_labeled,
    tree.IsEndpoint: _is_endpoint,
    tree.PropertyExists: lambda n: f"property_exists({unparse(n.arg)}, {name_text(n.name)})",
    tree.Exists: lambda n: f"EXISTS {_braced(n.body)}",
    tree.ValueQuery: lambda n: f"VALUE {_braced(n.body)}",
    tree.LetValue: _let_value,
    tree.CaseOperand: lambda n: "",
    tree.Case: _case,
    tree.Cast: lambda n: f"CAST({unparse(n.arg)} AS {unparse(n.type)})",
    tree.Call: _call,
    tree.LabelName: lambda n: name_text(n.name),
    tree.LabelWildcard: lambda n: "%",
    tree.LabelNot: lambda n: f"!{_label_part(n.arg, tree.LabelAnd, tree.LabelOr)}",
    tree.LabelAnd: _label_and,
    tree.LabelOr: _label_or,
    tree.NodePattern: lambda n: f"({_filler(n)})",
    tree.EdgePattern: _edge,
    tree.Subpath: _subpath,
    tree.Quantified: _quantified,
    tree.Questioned: lambda n: f"{unparse(n.item)}?",
    tree.Concatenation: lambda n: _list(n.items, " "),
    tree.PathUnion: lambda n: _list(n.items, " |+| " if n.is_multiset else " | "),
    tree.PathPrefix: _prefix,
    tree.PathPattern: _path_pattern,
    tree.GraphPattern: _graph_pattern,
    tree.Use: lambda n: f"USE {unparse(n.graph)}",
    tree.Match: lambda n: f"MATCH {unparse(n.pattern)}",
    tree.OptionalMatch: _optional_match,
    tree.ValueDefinition: lambda n: f"{_defined(n)} = {unparse(n.value)}",
    tree.Let: lambda n: f"LET {_list(n.definitions)}",
    tree.For: _for,
    tree.Filter: lambda n: f"FILTER {unparse(n.condition)}",
    tree.SortItem: _sort_item,
    tree.Page: _page,
    tree.ReturnItem: _aliased,
    tree.Return: _return,
    tree.Finish: lambda n: "FINISH",
    tree.YieldItem: _yield_item,
    tree.CallInline: _call_inline,
    tree.CallNamed: _call_named,
    tree.Insert: lambda n: f"INSERT {_list(n.paths)}",
    tree.SetProperty: lambda n: f"{name_text(n.variable)}.{name_text(n.name)} = {unparse(n.value)}",
    tree.SetAllProperties: _set_all,
    tree.SetLabels: _set_labels,
    tree.Set: lambda n: f"SET {_list(n.items)}",
    tree.RemoveProperty: lambda n: f"{name_text(n.variable)}.{name_text(n.name)}",
    tree.RemoveLabels: _set_labels,
    tree.Remove: lambda n: f"REMOVE {_list(n.items)}",
    tree.Delete: lambda n: f"{'DETACH ' if n.is_detach else ''}DELETE {_list(n.items)}",
    tree.Merge: _merge,
    tree.Linear: lambda n: _list(n.clauses, " "),
    tree.Nested: _nested,
    tree.Combined: _combined,
    tree.Next: _next,
    tree.VariableDefinition: _definition,
    tree.Procedure: _procedure,
    tree.PropertyType: _property_type,
    tree.ElementFiller: _element_filler,
    tree.NodeType: _node_type,
    tree.Endpoint: _endpoint,
    tree.EdgeType: _edge_type,
    tree.ConstraintType: _constraint_type,
    tree.OpenType: _graph_type,
    tree.NamedType: _graph_type,
    tree.LikeType: _graph_type,
    tree.ListedType: _graph_type,
    tree.CreateGraph: _create_graph,
    tree.CreateGraphType: _create_graph_type,
    tree.CreateSchema: lambda n: f"{_created(False, 'SCHEMA', n.if_not_exists)} {unparse(n.name)}",
    tree.DropGraph: _drop("GRAPH"),
    tree.DropGraphType: _drop("GRAPH TYPE"),
    tree.DropSchema: _drop("SCHEMA"),
    tree.CreateGraphIndex: _create_index,
    tree.CreateConstraint: _create_constraint,
    tree.DropGraphIndex: _drop("INDEX"),
    tree.DropConstraint: _drop("CONSTRAINT"),
    tree.SessionSetSchema: lambda n: f"SESSION SET SCHEMA {unparse(n.schema)}",
    tree.SessionSetGraph: lambda n: f"SESSION SET GRAPH {unparse(n.graph)}",
    tree.SessionSetTimeZone: lambda n: f"SESSION SET TIME ZONE {unparse(n.zone)}",
    tree.SessionSetParameter: _session_parameter,
    tree.SessionReset: _session_reset,
    tree.SessionClose: lambda n: "SESSION CLOSE",
    tree.StartTransaction: _start_transaction,
    tree.Commit: lambda n: "COMMIT",
    tree.Rollback: _rollback,
    tree.Savepoint: lambda n: f"SAVEPOINT {name_text(n.name)}",
    tree.ReleaseSavepoint: lambda n: f"RELEASE SAVEPOINT {name_text(n.name)}",
    tree.Program: lambda n: _list(n.parts, " "),
    tree.GraphTable: _graph_table,
}
