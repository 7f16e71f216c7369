"""EXPLAIN's text: the physical plan as an indented tree.

What is done with a graph's elements is told in a graph's words, with the variables of the text:

    FetchNode (b) in home               the rows of nodes, by their ids
      ->  Expand -[e:KNOWS]-> in home       from each row to the edges at a node
            ->  NodeScan (a:Person) in home     nodes by their label
"""

from __future__ import annotations

from collections.abc import Sequence

from skerry_engine.algebra import expressions as ex
from skerry_engine.algebra import queries as q
from skerry_engine.algebra.labels import label_text
from skerry_engine.plan import physical as ph
from skerry_engine.plan.compile import CompiledQuery


def explain_lines(compiled: CompiledQuery, with_rows: bool = True) -> list[str]:
    """One line per node; each query block of the statement is a tree of its own."""
    lines: list[str] = []
    begin([plan for _, plan in compiled.physical])
    for number, (_, plan) in enumerate(compiled.physical):
        if number:
            lines.append(f"Block {number}")
        _lines(plan, 1 if number else 0, lines, with_rows)
    return lines or ["Result"]


_variables: dict[int, str] = {}
"""Of the plan being told: range id -> variable."""


def begin(plans: Sequence[ph.Physical]) -> None:
    """Let what is told from now on know the variables of these plans."""
    _variables.clear()
    for plan in plans:
        _name_elements(plan)


def _name_elements(node: ph.Physical) -> None:
    if isinstance(node, ph.OfElements) and node.graph:
        scan = _scan_of(node)
        _variables[scan.range_id] = scan.name
    for child in children_of(node):
        _name_elements(child)


def _scan_of(node: ph.OfElements) -> q.Scan:
    if isinstance(node, (ph.WaysScan, ph.WaysLookup)):
        return node.ways.scan
    assert isinstance(
        node,
        (
            ph.SeqScan,
            ph.IndexKeys,
            ph.IndexRange,
            ph.IndexLookup,
            ph.RowLookup,
            ph.LabelScan,
            ph.IndexJoin,
            ph.RowJoin,
        ),
    )
    return node.scan


def _lines(node: ph.Physical, depth: int, lines: list[str], with_rows: bool) -> None:
    prefix = "" if depth == 0 else "  " * depth + "->  "
    children = children_of(node)
    told = node
    if isinstance(node, ph.NestedLoop) and _is_expansion(node):
        told, children = node.right, [node.left]
    shown = title(told)
    lines.append(f"{prefix}{shown}  (rows={node.rows:.0f})" if with_rows else f"{prefix}{shown}")
    indent = "  " * (depth + 2)
    for detail in details_of(told):
        lines.append(f"{indent}{detail}")
    for child in children:
        _lines(child, depth + 1, lines, with_rows)


def _element_title(node: ph.OfElements) -> str:
    """The title of a node that reads a graph's elements."""
    scan = _scan_of(node)
    labels = f":{label_text(node.labels)}" if isinstance(node, ph.LabelScan) else ""
    inside = f"{scan.name}{labels}"
    shown = f"[{inside}]" if node.is_edges else f"({inside})"
    kind = "Edge" if node.is_edges else "Node"
    match node:
        case ph.SeqScan() | ph.LabelScan():
            text = f"{kind}Scan {shown}"
        case ph.RowLookup():
            text = f"{kind}ById {shown}"
        case ph.RowJoin():
            text = f"Fetch{kind}{_join_kind(node.kind)} {shown}"
        case ph.IndexLookup() if node.way:
            text = f"Expand {_arrow(node.way, shown)}"
        case ph.IndexJoin() if node.way:
            text = f"Expand{_join_kind(node.kind)} {_arrow(node.way, shown)}"
        case ph.IndexLookup() | ph.IndexKeys():
            text = f"{kind}Lookup {shown} using {node.index_name}"
        case ph.IndexRange():
            text = f"{kind}Range {shown} using {node.index_name}"
        case ph.IndexJoin():
            text = f"{kind}Lookup{_join_kind(node.kind)} {shown} using {node.index_name}"
        case ph.WaysLookup():
            text = f"Expand {_arrow('both', shown)}"
        case _:
            text = f"EdgeScan {_arrow('both', shown)}"
    return f"{text} in {node.graph}"


def _join_kind(kind: str) -> str:
    return "" if kind == "inner" else f" {kind.title()}"


def _arrow(way: str, shown: str) -> str:
    return {"out": f"-{shown}->", "in": f"<-{shown}-", "both": f"-{shown}-"}[way]


def _is_expansion(node: ph.Physical) -> bool:
    """Whether a nested loop is a step from each row to the edges at a node."""
    return (
        isinstance(node, ph.NestedLoop)
        and node.kind == "inner"
        and node.dependent
        and not node.conditions
        and (
            isinstance(node.right, ph.WaysLookup)
            or (isinstance(node.right, ph.IndexLookup) and bool(node.right.way))
        )
    )


def title(node: ph.Physical) -> str:
    """What the node is and of what, in words."""
    if isinstance(node, ph.OfElements) and node.graph:
        return _element_title(node)
    match node:
        case ph.SeqScan():
            return f"Seq Scan on {node.scan.name}"
        case ph.VirtualScan():
            return f"Catalog Scan on {node.scan.name}"
        case ph.IndexLookup():
            return f"Index Lookup using {node.index_name} on {node.scan.name}"
        case ph.IndexKeys():
            return f"Index Keys using {node.index_name} on {node.scan.name}"
        case ph.IndexRange():
            return f"Index Range Scan using {node.index_name} on {node.scan.name}"
        case ph.HashJoin():
            return f"Hash {node.kind.title()} Join"
        case ph.IndexJoin():
            return f"Index {node.kind.title()} Join using {node.index_name} on {node.scan.name}"
        case ph.NestedLoop():
            return f"Nested Loop {node.kind.title()} Join"
        case ph.Aggregate():
            return "Group Aggregate" if node.aggregation.keys else "Aggregate"
        case ph.ValuesRows():
            return "Values"
        case ph.RowLookup():
            return f"Lookup by Id on {node.scan.name}"
        case ph.RowJoin():
            return f"Id {node.kind.title()} Join on {node.scan.name}"
        case ph.BindingRows():
            return "Rows of the Stage Before"
        case ph.ProcedureRows():
            return f"Procedure {node.call.name} on {node.call.nodes.name}, {node.call.edges.name}"
        case ph.PathRows():
            return f"Path Search{' Backward' if node.backward else ''}"
        case ph.FunctionRows():
            return "Function Scan"
        case ph.SubqueryRows():
            return "Subquery Scan"
        case ph.CteRows():
            return "CTE Scan"
        case ph.Filtered():
            return "Filter"
        case ph.WindowRows():
            return "Window Functions"
        case ph.SetFunctions():
            return "Project Set"
    return "Result"


def details_of(node: ph.Physical) -> list[str]:
    """Its conditions and keys: `Filter: (a > 1)`."""
    details: list[str] = []
    if isinstance(node, ph.HashJoin):
        pairs = zip(node.left_keys, node.right_keys, strict=True)
        details.append("Hash Cond: " + " AND ".join(f"{_text(a)} = {_text(b)}" for a, b in pairs))
    if isinstance(node, (ph.RowLookup, ph.RowJoin, ph.WaysLookup)):
        details.append(f"{'From' if isinstance(node, ph.WaysLookup) else 'Id'}: {_text(node.key)}")
    if isinstance(node, (ph.IndexLookup, ph.IndexJoin)) and node.way:
        details.append(f"{'From' if node.way == 'out' else 'To'}: {', '.join(_text(k) for k in node.keys)}")
    elif isinstance(node, (ph.IndexLookup, ph.IndexJoin)):
        details.append("Key: " + ", ".join(_text(k) for k in node.keys))
    if isinstance(node, ph.PathRows):
        ends = (("From", node.start), ("To", node.end))
        details += [f"{word}: {', '.join(_text(e) for e in known)}" for word, known in ends if known]
    filters = (
        getattr(node, "filters", None) or getattr(node, "residual", None) or getattr(node, "conditions", None)
    )
    if filters:
        details.append("Filter: " + " AND ".join(_text(f) for f in filters))
    if isinstance(node, ph.Aggregate) and node.aggregation.keys:
        details.append("Group Key: " + ", ".join(_text(k) for k in node.aggregation.keys))
    return details


def children_of(node: ph.Physical) -> list[ph.Physical]:
    """The nodes whose rows it reads."""
    match node:
        case ph.HashJoin() | ph.NestedLoop():
            return [node.left, node.right]
        case ph.IndexJoin() | ph.RowJoin():
            return [node.left]
        case ph.Filtered() | ph.Aggregate() | ph.WindowRows() | ph.SetFunctions():
            return [node.input]
    return []


def _text(expr: ex.Expr) -> str:
    """A short form of an expression: names, operators, parameters."""
    match expr:
        case ex.Column():
            of = _variables.get(expr.range_id)
            return f"{of}.{expr.name}" if of else expr.name
        case ex.RowId():
            return f"id({_variables.get(expr.range_id, '')})"
        case ex.Property():
            return f"{_variables.get(expr.range_id, '')}.{expr.name}"
        case ex.ValueProperty():
            return f"{_text(expr.arg)}.{expr.name}"
        case ex.HasLabels():
            return f"{_variables.get(expr.range_id, '')}:{label_text(expr.labels)}"
        case ex.ValueHasLabels():
            return f"{_text(expr.arg)}:{label_text(expr.labels)}"
        case ex.Const():
            return "NULL" if expr.value is None else repr(expr.value)
        case ex.Param():
            return f"${expr.index + 1}"
        case ex.Call() if expr.operator is not None and len(expr.args) == 2:
            return f"({_text(expr.args[0])} {expr.operator} {_text(expr.args[1])})"
        case ex.Call():
            return f"{expr.operator or expr.function.name}({', '.join(_text(a) for a in expr.args)})"
        case ex.Cast():
            return _text(expr.arg)
        case ex.And():
            return "(" + " AND ".join(_text(a) for a in expr.args) + ")"
        case ex.Or():
            return "(" + " OR ".join(_text(a) for a in expr.args) + ")"
        case ex.Not():
            return f"NOT {_text(expr.arg)}"
        case ex.IsNull():
            return f"({_text(expr.arg)} IS {'NOT ' if expr.negated else ''}NULL)"
        case ex.AnyAll():
            return f"({_text(expr.left)} {expr.operator} {'ALL' if expr.is_all else 'ANY'} (...))"
        case ex.SubqueryExpr():
            return f"({expr.kind} subquery)"
        case ex.RowId():
            return "id"
        case ex.Property() | ex.ValueProperty():
            return expr.name
        case ex.HasLabels() | ex.ValueHasLabels():
            return f":{label_text(expr.labels)}"
    return type(expr).__name__
