"""What `explain` says of flows: explain/*.txt, Python, `---`, what is printed.  SKERRY_REGENERATE=1 rewrites that."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from support.flow_sources import flow_of, namespace_of

from skerry import InterfaceError, flow
from skerry.flow import FlowError, stage

SCRIPTS = Path(__file__).parent / "explain"
BETWEEN = "\n\n====\n\n"


@pytest.mark.parametrize("name", sorted(path.stem for path in SCRIPTS.glob("*.txt")))
def test_what_is_said(name: str) -> None:
    path = SCRIPTS / f"{name}.txt"
    text = path.read_text(encoding="utf-8").rstrip("\n")
    made = []
    with flow.open(":memory:") as db:
        for number, section in enumerate(text.split(BETWEEN)):
            source = section.partition("\n---\n")[0]
            printed = io.StringIO()
            flow_of(f"{source}\n", f"{name} {number}", db).explain(printed)
            made.append(f"{source}\n---\n{printed.getvalue().rstrip()}")
    new = BETWEEN.join(made)
    if os.environ.get("SKERRY_REGENERATE") == "1":
        path.write_text(f"{new}\n", encoding="utf-8")
    assert new == text


CLASS = """
class Import:
    @stage(tx=True)
    def load(self, row): pass

    @flow(db)
    def run_all(self, rows):
        for row in rows:
            self.load(row)
"""


def test_of_a_class_and_of_its_instance() -> None:
    found = namespace_of(CLASS, "class", None)["Import"]
    assert "stage load (tx)   opens a transaction; in later rounds goes on in it" in str(
        found.run_all.outline()
    )
    assert str(found().run_all.outline()) == str(found.run_all.outline())


def test_without_a_source_it_says_so() -> None:
    namespace: dict[str, flow.Flow[..., object]] = {}
    exec("import skerry.flow as f\n@f.flow()\ndef imp(): pass", namespace)
    with pytest.raises(InterfaceError, match="the source of flow imp can't be read"):
        namespace["imp"].explain()


@stage(tx=True)
def one() -> None: ...


@flow.flow()
def two_lambdas() -> None:
    first, second = [lambda: (one(), one()), lambda: None]  # fmt: skip
    first(), second()


def test_lambdas_in_variables_are_not_guessed_at() -> None:
    assert [place.label for place in two_lambdas.outline().places() if place.kind.value == "?"] == [
        "lambda: (one(), one())",
        "first",
        "second",
    ]


def test_nothing_runs_and_no_property_is_read() -> None:
    class Loud:
        @property
        def load(self) -> object:
            raise AssertionError("read")

    loud = Loud()

    @flow.flow()
    def imp() -> None:
        loud.load()  # type: ignore[operator]

    assert imp.outline().unseen == ("loud.load()",)


FAILING = """
@stage(tx=True)
def load(row): db.execute("SELECT 1")

@stage(tx=True)
def fail(): raise ValueError

@flow(db)
def inner(): fail()

@stage
def check(): pass

@flow(db)
def imp():
    load(1)
    try:
        {attempt}
    except FlowError:
        load(2)
    check()
"""
ATTEMPTS = {
    "fail()": True,
    "inner()": False,
    "with db.transaction(): fail()": False,
    "with db.transaction(savepoint=False): fail()": True,
    "check(); inner()": False,
}


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_it_is_known_what_dooms_a_transaction(attempt: str) -> None:
    with flow.open(":memory:") as db:
        imp = flow_of(FAILING.format(attempt=attempt), attempt, db)
        assert ("doomed" in str(imp.outline())) == ATTEMPTS[attempt]
        if ATTEMPTS[attempt]:
            with pytest.raises(FlowError, match="can't go on"):
                imp()
        else:
            imp()
