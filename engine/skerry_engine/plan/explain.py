"""EXPLAIN's text: the physical plan as an indented tree."""

from __future__ import annotations

from skerry_engine.algebra import expressions as ex
from skerry_engine.algebra.labels import label_text
from skerry_engine.plan import physical as ph
from skerry_engine.plan.compile import CompiledQuery


def explain_lines(compiled: CompiledQuery, with_rows: bool = True) -> list[str]:
    """One line per node; each query block of the statement is a tree of its own."""
    lines: list[str] = []
    for number, (_, plan) in enumerate(compiled.physical):
        if number:
            lines.append(f"Block {number}")
        _lines(plan, 1 if number else 0, lines, with_rows)
    return lines or ["Result"]


def _lines(node: ph.Physical, depth: int, lines: list[str], with_rows: bool) -> None:
    prefix = "" if depth == 0 else "  " * depth + "->  "
    shown = _title(node)
    lines.append(f"{prefix}{shown}  (rows={node.rows:.0f})" if with_rows else f"{prefix}{shown}")
    indent = "  " * (depth + 2)
    for detail in _details(node):
        lines.append(f"{indent}{detail}")
    for child in _children(node):
        _lines(child, depth + 1, lines, with_rows)


def _title(node: ph.Physical) -> str:
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
        case ph.LabelScan():
            return f"Label Scan on {node.scan.name}"
        case ph.WaysScan():
            return f"Scan Both Ways on {node.ways.scan.name}"
        case ph.WaysLookup():
            return f"Edges {'from' if node.is_from else 'to'} Node, Both Ways, on {node.ways.scan.name}"
        case ph.RowJoin():
            return f"Id {node.kind.title()} Join on {node.scan.name}"
        case ph.BindingRows():
            return "Rows of the Stage Before"
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


def _details(node: ph.Physical) -> list[str]:
    details: list[str] = []
    if isinstance(node, ph.HashJoin):
        pairs = zip(node.left_keys, node.right_keys, strict=True)
        details.append("Hash Cond: " + " AND ".join(f"{_text(a)} = {_text(b)}" for a, b in pairs))
    if isinstance(node, (ph.IndexLookup, ph.IndexJoin)):
        details.append("Key: " + ", ".join(_text(k) for k in node.keys))
    if isinstance(node, (ph.RowLookup, ph.RowJoin, ph.WaysLookup)):
        details.append(f"Key: {_text(node.key)}")
    if isinstance(node, ph.LabelScan):
        details.append(f"Label: {label_text(node.labels)}")
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


def _children(node: ph.Physical) -> list[ph.Physical]:
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
            return expr.name
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
