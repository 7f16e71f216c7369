"""What a run's report counts, how it reads, and where it is after a failure."""

from __future__ import annotations

import asyncio

import pytest

from skerry import flow
from skerry.flow import FlowError, RunReport, each, stage


class Broken(Exception):
    """What a stage raises here."""


@pytest.fixture
def db() -> flow.FlowDatabase:
    database = flow.open(":memory:")
    database.execute("CREATE TABLE t (n int PRIMARY KEY)")
    return database


def test_per_stage_time_rows_commits_and_rollbacks(db: flow.FlowDatabase) -> None:
    @stage(tx=True)
    def load(number: int) -> None:
        db.execute("INSERT INTO t VALUES (%s)", (number,))

    @stage
    def check() -> int:
        return len(db.execute("SELECT n FROM t").fetchall())

    @flow.flow(db)
    def imp(numbers: range) -> int:
        each(numbers, load, commit_every=2)
        return check()

    value, report = imp.run(range(5))
    assert value == 5
    assert list(report.stages) == ["load", "check"]
    loads, checks = report.stages.values()
    assert (loads.calls, loads.rows, loads.commits, loads.rollbacks) == (5, 5, 3, 0)
    assert (checks.calls, checks.rows, checks.commits) == (1, 5, 0)
    assert (report.rows, report.commits, report.rollbacks, report.error) == (10, 3, 0, None)
    assert 0 < loads.mean_s <= loads.longest_s <= loads.seconds <= report.seconds
    assert loads.mean_s == pytest.approx(loads.seconds / 5)


def test_a_failed_run_has_its_report_on_the_error(db: flow.FlowDatabase) -> None:
    @stage(tx=True)
    def load(number: int) -> None:
        db.execute("INSERT INTO t VALUES (%s)", (number,))
        if number == 3:
            raise Broken("three")

    @flow.flow(db)
    def imp(numbers: range) -> None:
        each(numbers, load, commit_every=2)

    with pytest.raises(FlowError) as caught:
        imp(range(5))
    report = caught.value.report
    assert isinstance(report, RunReport)
    assert (report.commits, report.rollbacks, report.stages["load"].errors) == (1, 1, 1)
    assert ", failed: flow imp, stage load, row 3: Broken: three\n" in str(report)
    assert db.in_use == 0


def test_of_asyncio_flows_too() -> None:
    async def main() -> None:
        async with await flow.open_async(":memory:") as db:
            await db.execute("CREATE TABLE t (n int PRIMARY KEY)")

            @stage(tx=True)
            async def load(number: int) -> None:
                await db.execute("INSERT INTO t VALUES (%s)", (number,))

            @flow.flow(db)
            async def imp(numbers: list[int]) -> None:
                await each(numbers, load)

            _, report = await imp.run_async([1, 2])
            assert (report.rows, report.commits, report.stages["load"].calls) == (2, 1, 2)
            with pytest.raises(FlowError) as caught:
                await imp([3, 1])
            assert caught.value.report.rollbacks == 1

    asyncio.run(main())


def test_a_transaction_that_nobody_used_is_no_commit(db: flow.FlowDatabase) -> None:
    @stage(tx=True)
    def idle() -> None:
        pass

    @flow.flow(db)
    def nothing() -> None:
        idle()

    assert nothing.run().report.commits == 0


def sample() -> RunReport:
    report = RunReport("imp <1>")
    report.seconds = 2.0
    load = report.stage("load")
    for seconds in (0.25, 0.75, 0.0005):
        load.calls += 1
        load.took(seconds)
    load.rows, load.commits = 12345, 2
    report.stage("check").calls = 1
    report.body.rows = 7
    return report


TABLE = """\
flow imp <1>: 2.00 s, 12,352 rows, 2 commits, 0 rollbacks
stage              calls   total      mean   longest    rows  commits  rollbacks  errors  retries
load                   3  1.00 s  333.5 ms  750.0 ms  12,345        2          0       0        0
check                  1  0.0 us    0.0 us    0.0 us       0        0          0       0        0
(the flow itself)                                          7        0          0       0        0
total                  4  2.00 s                      12,352        2          0       0        0"""


def test_as_text() -> None:
    assert str(sample()) == TABLE
    assert repr(sample()) == "<report of flow imp <1>: 2.00 s, 12,352 rows, 2 commits, 0 rollbacks>"


def test_in_a_notebook_it_is_a_table() -> None:
    shown = sample()._repr_html_()
    assert shown.startswith("<table><caption>flow imp &lt;1&gt;: 2.00 s, ")
    assert shown.count("<tr>") == 5
    assert "<td>load</td><td>3</td><td>1.00 s</td><td>333.5 ms</td>" in shown


def test_the_error_is_part_of_it() -> None:
    report = sample()
    report.error = Broken("first line\nsecond")
    assert "0 rollbacks, failed: Broken: first line\n" in str(report)
