"""The pipeline on the change feed: prices of the moment, nothing lost, nothing twice, views that follow."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pipeline
import pytest

import skerry
from skerry.flow import FlowError, FlowTransaction

EXPECTED = """\
flow work_off_all: on skerry, snapshot
  stage batches                           runs outside any transaction
  each of batches()
    stage work_off (tx)                   opens a transaction
      parallel(lines, price, threads=4)   goes on in the transaction, behind a savepoint
    commits after every row
  end                                     has nothing to commit
4 batches, 4 commits; and then 0
drinks 405 60
food 270 60
customer 0 30 5
customer 1 30 10
customer 2 30 5
customer 3 30 10
"""


@pytest.mark.parametrize("place", [lambda path: ":memory:", lambda path: str(path / "data")])
def test_lines_become_sales_and_views_follow(
    place: Callable[[Path], str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pipeline.main(place(tmp_path))
    assert capsys.readouterr().out == EXPECTED


def test_a_pipeline_that_broke_goes_on_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    price = pipeline.price

    def breaks_at_70(branch: FlowTransaction, line: skerry.Change) -> None:
        price(branch, line)
        if line.new is not None and line.new["id"] == 70:
            raise ConnectionError

    with skerry.open(":memory:", retention=3600) as db:
        pipeline.make(db)
        db.execute(pipeline.LINES, (0,))
        monkeypatch.setattr(pipeline, "price", breaks_at_70)
        work_off_all = pipeline.pipeline(db)
        with pytest.raises(FlowError, match="event 19: ConnectionError") as caught:
            work_off_all()
        assert caught.value.report.commits == 1
        kept = "SELECT count(*), max(id) FROM sale"
        assert db.execute(kept).fetchall() == [(33, 49)]
        monkeypatch.undo()
        assert work_off_all() == 1
        assert db.execute(kept).fetchall() == [(60, 90)]
        pipeline.wait_for_views(db)
        for view, query in (
            ("revenue", "SELECT category, sum(total), count(*) FROM sale GROUP BY category"),
            ("customers", "SELECT customer, count(*), max(total) FROM sale GROUP BY customer"),
        ):
            assert sorted(db.execute(f"SELECT * FROM {view}")) == sorted(db.execute(query))
