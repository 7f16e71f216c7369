"""Label formulas, and the walks over expressions that read rows as graph elements."""

from __future__ import annotations

import itertools

import pytest

from skerry_engine.algebra import expressions as ex
from skerry_engine.algebra import paths as pt
from skerry_engine.algebra import queries as q
from skerry_engine.algebra.labels import (
    AllOf,
    AnyLabel,
    AnyOf,
    Label,
    LabelFormula,
    NotLabel,
    holds,
    label_text,
    names_in,
)
from skerry_engine.algebra.traversal import (
    bound_ranges,
    free_ranges,
    relation_ranges,
    rewrite_all,
    used_ranges,
)
from skerry_engine.values import oids
from skerry_engine.values.types import SqlType

A, B, C = Label("A"), Label("B"), Label("C")
INT8, BOOL = SqlType(oids.INT8), SqlType(oids.BOOL)

FORMULAS: list[tuple[LabelFormula, str, str]] = [
    (A, "A", "a"),
    (AnyLabel(), "%", "a or b or c"),
    (NotLabel(AnyLabel()), "!%", "not (a or b or c)"),
    (AllOf((A, B)), "A&B", "a and b"),
    (AnyOf((A, B, C)), "A|B|C", "a or b or c"),
    (AllOf((A, AnyOf((B, C)))), "A&(B|C)", "a and (b or c)"),
    (AnyOf((A, AllOf((B, C)))), "A|B&C", "a or b and c"),
    (NotLabel(AnyOf((A, B))), "!(A|B)", "not (a or b)"),
    (NotLabel(AllOf((A, NotLabel(B)))), "!(A&!B)", "not (a and not b)"),
]


@pytest.mark.parametrize(("formula", "text", "meaning"), FORMULAS, ids=[f[1] for f in FORMULAS])
def test_a_formula_holds_for_exactly_the_label_sets_that_it_means(
    formula: LabelFormula, text: str, meaning: str
) -> None:
    assert label_text(formula) == text
    for has in itertools.product((False, True), repeat=3):
        labels = frozenset(name for name, there in zip("ABC", has, strict=True) if there)
        assert holds(formula, labels) is eval(meaning, dict(zip("abc", has, strict=True)))


def test_a_formula_names_its_labels_in_written_order() -> None:
    assert list(names_in(AnyOf((B, NotLabel(AllOf((A, AnyLabel(), C))))))) == ["B", "A", "C"]


READERS: list[ex.Expr] = [
    ex.RowId(INT8, 7),
    ex.WholeRow(SqlType(oids.RECORD), 7),
    ex.Property(INT8, 7, 100, "age"),
    ex.HasLabels(BOOL, 7, 100, A),
]


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: type(reader).__name__)
def test_what_reads_a_row_counts_as_use_of_its_range(reader: ex.Expr) -> None:
    assert used_ranges(reader) == {7}
    assert used_ranges(ex.ValueProperty(INT8, reader, "x")) == {7}
    assert used_ranges(ex.PathValue(INT8, (reader,))) == {7}
    assert used_ranges(ex.ElementValue(INT8, 1, ex.Const(INT8, 2), reader, reader, (reader,))) == {7}
    scan = q.Scan(7, 100, 1, "nodes")
    assert free_ranges(q.Filter(scan, reader)) == set()
    assert free_ranges(q.Filter(q.Scan(8, 100, 1, "nodes"), reader)) == {7}


def test_rows_of_an_earlier_stage_are_a_range_of_their_own() -> None:
    rows = q.Bindings(3, 1, 2)
    assert relation_ranges(rows) == {3: 2}
    assert bound_ranges(q.Filter(rows, ex.Const(BOOL, True))) == {3}


def test_rewriting_reaches_into_element_values() -> None:
    value = ex.ElementValue(INT8, 1, ex.Const(INT8, 2), ex.RowId(INT8, 7), ex.WholeRow(INT8, 7))
    changed = rewrite_all(
        ex.PathValue(INT8, (value,)), lambda node: ex.RowId(INT8, 9) if isinstance(node, ex.RowId) else None
    )
    assert used_ranges(changed) == {7, 9}


def test_a_path_search_reads_and_binds_what_its_segments_and_conditions_do() -> None:
    node, edge = q.Scan(1, 100, 1, "nodes"), q.Scan(2, 101, 3, "edges")
    source = q.Join("inner", node, q.Filter(edge, ex.HasLabels(BOOL, 5, 101, A)), None)
    start = pt.PathElement(False, (ex.RowId(INT8, 1),), (0,))
    end = pt.PathElement(False, (ex.Column(INT8, 2, 2, "target"),))
    segment = pt.PathSegment(source, (start, pt.PathElement(True, (ex.RowId(INT8, 2),)), end))
    outputs = (pt.PathOutput("start", INT8), pt.PathOutput("end", INT8))
    group = pt.PathGroup(
        segment, "trail", (0,), ex.Column(BOOL, 4, 0, "x"), 4, (pt.PathOutput("element", BOOL, 0),)
    )
    pattern = pt.PathSequence((pt.PathRepeat(group, 1, None), pt.PathChoice((group, segment))))
    search = q.PathSearch(3, pattern, outputs, selector=pt.PathSelector(ex.Column(INT8, 6, 0, "k")))
    assert relation_ranges(search) == {3: 2}
    assert bound_ranges(search) == {1, 2, 3, 4}
    assert free_ranges(search) == {5, 6}
    moved = rewrite_all(
        search, lambda node: ex.RowId(INT8, 8) if isinstance(node, ex.RowId) and node.range_id == 1 else None
    )
    assert used_ranges(moved) >= {8} and 1 not in used_ranges(moved)
