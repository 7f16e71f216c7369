"""Flows as pictures: drawings/*.svg are what they are to the byte.  SKERRY_REGENERATE=1 rewrites them; look at them."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from xml.etree import ElementTree

import pytest
from support.flow_sources import flow_of

from skerry import flow
from skerry.flow.svg import Drawing

PICTURES = Path(__file__).parent / "drawings"
SCRIPTS = Path(__file__).parent / "explain"
SVG = "{http://www.w3.org/2000/svg}"

EVERYTHING = """
@stage(tx=True, on_error=lambda error: True, retries=2)
def load(row): pass

@stage(tx=True)
def store(row): pass

@stage
def check(row): return row < 3 & 5

@stage
def batch(rows):
    for row in rows:
        load(row)
        check(row)

@flow(db)
def inner(row):
    store(row)

@flow(db, isolation="serializable", timeout=60)
def imp(rows, chosen):
    each(rows, load, commit_every=1000)
    batch(rows)
    load("<first> & \\"second\\"")
    inner(1)
    try:
        store(2)
    except ValueError:
        check(3)
    if rows < chosen:
        return
    chosen(rows)
    with db.transaction():
        store(3)
    rows.sort()
"""


def sources() -> dict[str, str]:
    """What is drawn: the flows of explain/rule.txt that have a name of their own there, and one with everything."""
    sections = (SCRIPTS / "rule.txt").read_text(encoding="utf-8").split("\n\n====\n\n")
    found = {"everything": EVERYTHING}
    for section in sections:
        source = section.partition("\n---\n")[0]
        found[source.removeprefix("# ").partition(":")[0].partition("\n")[0].replace(", ", "_")] = source
    return {name: found[name] for name in ("everything", "b4_b5", "b9", "b13")}


def drawn(name: str) -> Drawing:
    with flow.open(":memory:") as db:
        return flow_of(f"{sources()[name]}\n", f"drawing {name}", db).draw()


@pytest.mark.parametrize("name", sorted(sources()))
def test_what_is_drawn(name: str) -> None:
    path = PICTURES / f"{name}.svg"
    made = drawn(name).svg
    if os.environ.get("SKERRY_REGENERATE") == "1":
        path.write_text(made, encoding="utf-8")
    assert made == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(sources()))
def test_everything_lies_on_the_page(name: str) -> None:
    root = ElementTree.fromstring(drawn(name).svg)
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    rects = root.findall(f"{SVG}rect")
    assert len(rects) > 3
    for rect in rects:
        x, y = float(rect.get("x", "0")), float(rect.get("y", "0"))
        assert x >= 0 and x + float(rect.attrib["width"]) <= width
        assert y >= 0 and y + float(rect.attrib["height"]) <= height
    for text in root.findall(f"{SVG}text"):
        assert 0 < float(text.attrib["y"]) < height
        assert text.text


def test_boxes_do_not_overlap() -> None:
    root = ElementTree.fromstring(drawn("everything").svg)
    boxes = [rect.attrib for rect in root.findall(f"{SVG}rect") if rect.get("class") == "box"]
    edges = sorted((float(box["y"]), float(box["y"]) + float(box["height"])) for box in boxes)
    assert len(edges) == 12
    assert all(bottom < top for (_, bottom), (top, _) in itertools.pairwise(edges))


def test_text_is_escaped() -> None:
    assert "&lt;" in drawn("everything").svg
    texts = [text.text for text in ElementTree.fromstring(drawn("everything").svg).iter(f"{SVG}text")]
    assert "if rows < chosen" in texts


def test_to_a_file_and_in_a_notebook(tmp_path: Path) -> None:
    @flow.flow()
    def imp() -> None: ...

    drawing = imp.draw(tmp_path / "imp.svg")
    assert (tmp_path / "imp.svg").read_text(encoding="utf-8") == drawing.svg == drawing._repr_svg_()
