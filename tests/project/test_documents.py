"""What the documents show is what happens: their examples run."""

from __future__ import annotations

import doctest
import re
import runpy
import textwrap
from pathlib import Path

import pytest
from support.engines import register_dialects
from support.postgres_server import Address

import skerry
from skerry import errors

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
GUIDE = ROOT / "docs" / "transactions.md"
HISTORY = ROOT / "docs" / "history.md"
GQL = ROOT / "docs" / "gql.md"
PATHS = ROOT / "docs" / "paths.md"
VALUES = ROOT / "docs" / "values.md"
DRIVER = ROOT / "docs" / "driver.md"
FLOWS = ROOT / "docs" / "flows.md"
WORKFLOWS = ROOT / "docs" / "workflows.md"
SQLALCHEMY = ROOT / "docs" / "sqlalchemy.md"
REPOSITORIES = ROOT / "docs" / "repositories.md"


def run_examples(text: str, fewest: int = 31) -> None:
    """Run a document's examples in one namespace; fails with the differences."""
    test = doctest.DocTestParser().get_doctest(text, {}, GUIDE.name, str(GUIDE), 0)
    assert len(test.examples) >= fewest
    report: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    results = runner.run(test, out=report.append)
    assert results.failed == 0, "".join(report)


def test_the_transaction_guide_embedded() -> None:
    run_examples(GUIDE.read_text(encoding="utf-8"))


def test_the_transaction_guide_over_the_network(skerry_server: Address) -> None:
    address = (
        f"skerry://{skerry_server.user}@{skerry_server.host}:{skerry_server.port}/{skerry_server.database}"
    )
    text = GUIDE.read_text(encoding="utf-8").replace('skerry.open(":memory:")', f'skerry.open("{address}")')
    assert address in text
    run_examples(text.replace(">>> db.close()", '>>> _ = db.execute("DROP TABLE account"); db.close()'))


def test_the_page_on_sqlalchemy() -> None:
    register_dialects()
    run_examples(SQLALCHEMY.read_text(encoding="utf-8"), 20)


def test_the_page_on_repositories() -> None:
    register_dialects()
    run_examples(REPOSITORIES.read_text(encoding="utf-8"), 40)


def test_the_page_on_the_driver() -> None:
    run_examples(DRIVER.read_text(encoding="utf-8"), 29)


def test_the_page_on_the_driver_over_the_network(skerry_server: Address) -> None:
    address = (
        f"skerry://{skerry_server.user}@{skerry_server.host}:{skerry_server.port}/{skerry_server.database}"
    )
    text = DRIVER.read_text(encoding="utf-8").replace('(":memory:"', f'("{address}"')
    assert text.count(address) == 3
    run_examples(text, 29)
    with skerry.connect(address, autocommit=True) as connection:
        connection.execute("DROP TABLE item")


def test_the_page_on_workflows() -> None:
    run_examples(WORKFLOWS.read_text(encoding="utf-8"), 35)


def test_the_page_on_flows_embedded() -> None:
    run_examples(FLOWS.read_text(encoding="utf-8"), 63)


def test_the_page_on_flows_over_the_network(skerry_server: Address) -> None:
    address = (
        f"skerry://{skerry_server.user}@{skerry_server.host}:{skerry_server.port}/{skerry_server.database}"
    )
    text = FLOWS.read_text(encoding="utf-8").replace(
        'db = flow.open(":memory:")', f'db = flow.open("{address}")', 1
    )
    assert address in text
    try:
        run_examples(text, 63)
    finally:
        with skerry.connect(address, autocommit=True) as connection:
            connection.execute("DROP TABLE IF EXISTS person, log")


def test_the_readme_on_flows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As a file, since `explain` reads the source."""
    section = README.read_text(encoding="utf-8").partition("## Flows\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("    ") or not line]
    script = tmp_path / "readme.py"
    script.write_text(textwrap.dedent("\n".join(lines)), encoding="utf-8")
    runpy.run_path(str(script))
    said = capsys.readouterr().out
    assert "    stage load (tx)   opens a transaction if none is open\n" in said
    assert "2 readings\n" in said
    assert "3 rows, 1 commit, 0 rollbacks" in said


def test_the_page_on_values_embedded() -> None:
    run_examples(VALUES.read_text(encoding="utf-8"), 17)


def test_the_page_on_history_embedded() -> None:
    run_examples(HISTORY.read_text(encoding="utf-8"), 15)


def test_the_page_on_history_over_the_network(skerry_server: Address) -> None:
    address = (
        f"skerry://{skerry_server.user}@{skerry_server.host}:{skerry_server.port}/{skerry_server.database}"
    )
    text = HISTORY.read_text(encoding="utf-8").replace(
        'skerry.open(":memory:", retention=3600)', f'skerry.open("{address}")'
    )
    assert address in text
    with skerry.open(address) as database:
        database.execute("SELECT skerry.set_retention('1h')")
        try:
            run_examples(text, 15)
        finally:
            database.execute("DROP TABLE IF EXISTS stock")
            database.execute("SELECT skerry.set_retention('0')")


def test_the_page_on_gql_embedded() -> None:
    run_examples(GQL.read_text(encoding="utf-8"), 25)


def test_the_page_on_gql_over_the_network(skerry_server: Address) -> None:
    address = (
        f"skerry://{skerry_server.user}@{skerry_server.host}:{skerry_server.port}/{skerry_server.database}"
    )
    text = GQL.read_text(encoding="utf-8").replace('skerry.open(":memory:")', f'skerry.open("{address}")')
    assert address in text
    try:
        run_examples(text, 25)
    finally:
        with skerry.open(address) as database:
            for leftover in (
                "DROP PROPERTY GRAPH IF EXISTS crossings CASCADE",
                "DROP TABLE IF EXISTS bridge, isle",
                "DROP GRAPH IF EXISTS town",
                "DROP GRAPH IF EXISTS sea",
                "DROP GRAPH TYPE IF EXISTS ferries",
            ):
                database.execute(leftover)


def test_the_page_on_paths() -> None:
    pytest.importorskip("scipy")
    run_examples(PATHS.read_text(encoding="utf-8"), 10)


def test_the_table_of_errors() -> None:
    """Codes, classes, SQLSTATEs and what may be run again, as the classes themselves have them."""
    row = re.compile(r"^\| (T\d{3}) \| `(\w+)` \| ([\w, ]+) \| (yes|no) \|", re.MULTILINE)
    found = row.findall(GUIDE.read_text(encoding="utf-8"))
    assert [code for code, *_ in found] == ["T001", "T002", "T003", "T004", "T005", "T006"]
    classes = [cls for cls in vars(errors).values() if isinstance(cls, type) and getattr(cls, "code", None)]
    for code, name, sqlstates, retryable in found:
        assert getattr(errors, name).code == code
        assert {cls.sqlstate for cls in classes if cls.code == code} == set(sqlstates.split(", ")), code
        assert {cls.is_retryable for cls in classes if cls.code == code} == {retryable == "yes"}, code


@pytest.mark.parametrize(
    "page",
    [
        "docs/flows.md",
        "docs/deferred-views.md",
        "docs/history.md",
        "docs/gql.md",
        "docs/paths.md",
        "docs/values.md",
    ],
)
def test_the_page_is_found(page: str) -> None:
    assert page in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("place", ["README.md", "docs/isolation.md"])
def test_the_guide_is_found(place: str) -> None:
    assert "transactions.md" in (ROOT / place).read_text(encoding="utf-8")
