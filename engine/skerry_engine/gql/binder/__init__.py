"""GQL's trees to the algebra: names become ranges and columns, every expression gets a type.

    Procedure ─ statements.py ─> Query          NEXT, UNION ..., CALL: one query in another
      Linear  ─ linear.py ─────> Rows ─> Select     clause after clause, each makes new rows of those before
        Match ─ patterns.py ───> Join, Filter, PathSearch
        Return ─ results.py ───> Aggregation, Select
      Expr    ─ expressions.py ─> Expr

*Rows* are a relation and what each variable means over it (`variables.py`).  A variable bound to an element is the
range of its row while that is at hand, so that a property is a column; behind a border that makes rows anew (NEXT, a
LIMIT in the middle, CALL) it is a column with an element value in it.

What a graph is made of, native or laid over tables, is known to `sources.py` alone.  Functions and operators are
resolved by `operations.py`, coercions and parameters are SQL's.

What is unknown follows the graph's type: in an open graph a label that nothing has fits nothing, and a property that
nothing has is NULL, until there is one: what was assumed is noted as a *fact*, and the plan is made anew when it has
changed.  In a closed graph both are errors.
"""
