"""EXPLAIN (FORMAT JSON): the physical plan as the document that PostgreSQL's clients read.

    [{"Plan": {"Node Type": "Hash Join", "Join Type": "Inner", ..., "Plans": [{...}, {...}]}, "Planning Time": 0.1}]

Nodes that PostgreSQL has go by its names; a join that looks rows up by index is its Nested Loop over an Index Scan, and
what only Skerry has goes by the title that EXPLAIN's text gives it.  Further query blocks of the statement are plans of
the root, under the names that the text gives them.

A cost is the number of rows that a node and all below it are expected to make, a width 8 bytes for each column: what
compares plans, in no unit of time.
"""

from __future__ import annotations

from collections.abc import Sequence

from skerry_engine.algebra import queries as q
from skerry_engine.plan import physical as ph
from skerry_engine.plan.explain import begin, children_of, details_of, title

Node = dict[str, object]

_BYTES = 8
_BY_INDEX = (ph.IndexLookup, ph.IndexKeys, ph.IndexRange, ph.IndexJoin)
_LISTS = frozenset({"Group Key"})
_CHANGES: dict[type[q.Query], str] = {q.Insert: "Insert", q.Update: "Update", q.Delete: "Delete"}


def explain_tree(plans: Sequence[ph.Physical], query: q.Query | None, with_costs: bool) -> Node:
    """The statement's plan as JSON's values."""
    begin(plans)
    writer = _Writer(with_costs)
    nodes = [writer.node(plan) for plan in plans] or [{"Node Type": "Result"}]
    root = writer.change(query, plans[0], nodes[0]) if plans and type(query) in _CHANGES else nodes[0]
    for number, node in enumerate(nodes[1:], 1):
        _add(root, {"Parent Relationship": "SubPlan", "Subplan Name": f"Block {number}", **node})
    return root


def _add(parent: Node, child: Node) -> None:
    plans = parent.setdefault("Plans", [])
    assert isinstance(plans, list)
    plans.append(child)


class _Writer:
    def __init__(self, with_costs: bool) -> None:
        self._with_costs = with_costs

    def node(self, plan: ph.Physical) -> Node:
        """A node with those below it."""
        if isinstance(plan, (ph.IndexJoin, ph.RowJoin)):
            return self._lookup_join(plan)
        made: Node = {**self._kind(plan), **self._costs(plan), **self._details(plan)}
        relations = ("Outer", "Inner") if len(children_of(plan)) > 1 else ("Outer",)
        for relation, child in zip(relations, children_of(plan), strict=False):
            _add(made, {"Parent Relationship": relation, **self.node(child)})
        return made

    def change(self, query: q.Query | None, plan: ph.Physical, source: Node) -> Node:
        """The node that changes a table's rows."""
        assert isinstance(query, (q.Insert, q.Update, q.Delete))
        made: Node = {"Node Type": "ModifyTable", "Operation": _CHANGES[type(query)]}
        made["Relation Name"] = made["Alias"] = query.target.name
        return {**made, **self._costs(plan), "Plans": [{"Parent Relationship": "Outer", **source}]}

    def _lookup_join(self, plan: ph.IndexJoin | ph.RowJoin) -> Node:
        inner = {**self._relation(plan.scan), **self._details(plan)}
        if isinstance(plan, ph.IndexJoin):
            inner = {"Node Type": "Index Scan", "Index Name": plan.index_name, **inner}
        else:
            inner = {"Node Type": "Lookup by Id", **inner}
        made: Node = {"Node Type": "Nested Loop", "Join Type": plan.kind.title(), **self._costs(plan)}
        _add(made, {"Parent Relationship": "Outer", **self.node(plan.left)})
        _add(made, {"Parent Relationship": "Inner", **inner})
        return made

    def _kind(self, plan: ph.Physical) -> Node:
        """What the node is, and of what."""
        match plan:
            case ph.OfElements() if plan.graph:
                return {"Node Type": title(plan)}
            case ph.SeqScan() | ph.VirtualScan():
                return {"Node Type": "Seq Scan", **self._relation(plan.scan)}
            case ph.IndexLookup() | ph.IndexKeys() | ph.IndexRange():
                backward = isinstance(plan, ph.IndexRange) and plan.backward
                way: Node = {"Scan Direction": "Backward" if backward else "Forward"}
                return {
                    "Node Type": "Index Scan",
                    **way,
                    "Index Name": plan.index_name,
                    **self._relation(plan.scan),
                }
            case ph.RowLookup():
                return {"Node Type": "Lookup by Id", **self._relation(plan.scan)}
            case ph.HashJoin():
                return {"Node Type": "Hash Join", "Join Type": plan.kind.title()}
            case ph.NestedLoop():
                return {"Node Type": "Nested Loop", "Join Type": plan.kind.title()}
            case ph.Aggregate():
                strategy = "Hashed" if plan.aggregation.keys else "Plain"
                return {"Node Type": "Aggregate", "Strategy": strategy}
            case ph.ValuesRows():
                return {"Node Type": "Values Scan"}
            case ph.FunctionRows():
                return {"Node Type": "Function Scan"}
            case ph.CteRows():
                return {"Node Type": "CTE Scan"}
            case ph.WindowRows():
                return {"Node Type": "WindowAgg"}
            case ph.SetFunctions():
                return {"Node Type": "ProjectSet"}
        return {"Node Type": title(plan)}

    def _relation(self, scan: q.Scan) -> Node:
        return {"Relation Name": scan.name, "Alias": scan.alias or scan.name}

    def _details(self, plan: ph.Physical) -> Node:
        made: Node = {}
        for detail in details_of(plan):
            name, _, text = detail.partition(": ")
            name = "Index Cond" if name == "Key" and isinstance(plan, _BY_INDEX) else name
            made[name] = text.split(", ") if name in _LISTS else text
        return made

    def _costs(self, plan: ph.Physical) -> Node:
        if not self._with_costs:
            return {}
        return {
            "Startup Cost": 0.0,
            "Total Cost": round(_cost(plan), 2),
            "Plan Rows": round(plan.rows),
            "Plan Width": _BYTES * sum(ph.ranges_of(plan).values()),
        }


def _cost(plan: ph.Physical) -> float:
    return plan.rows + sum(_cost(child) for child in children_of(plan))
