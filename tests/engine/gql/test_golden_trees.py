"""What each construct of GQL becomes: golden/*.txt, statement and tree.  SKERRY_REGENERATE=1 rewrites the trees."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import MISSING, fields
from pathlib import Path

import pytest

from skerry_engine import errors
from skerry_engine.gql import tree
from skerry_engine.gql.lexer import tokenize
from skerry_engine.gql.parser import parse, parse_graph_table
from skerry_engine.gql.unparse import unparse

GOLDEN = Path(__file__).parent / "golden"
FILES = sorted(path.name for path in GOLDEN.glob("*.txt"))
WIDTH = 116


def read(text: str, name: str) -> tree.Node:
    return parse_graph_table(text) if name == "graph_table.txt" else parse(text)


def entries(name: str) -> list[tuple[str, str]]:
    """(statement, tree) of each entry: a line that is not indented, and the indented ones below it."""
    found: list[tuple[str, list[str]]] = []
    for line in (GOLDEN / name).read_text(encoding="utf-8").splitlines():
        if line.startswith(" "):
            found[-1][1].append(line)
        elif line:
            found.append((line, []))
    return [(text, "\n".join(lines)) for text, lines in found]


def shown(value: object, indent: int = 4) -> str:
    """A tree without positions and without what is as it would be anyway."""
    flat = flat_text(value)
    if len(flat) + indent <= WIDTH:
        return flat
    inner = indent + 2
    lead = "\n" + " " * inner
    if isinstance(value, tuple):
        return "[" + "".join([f"{lead}{shown(item, inner)}" for item in value]) + "]"
    assert isinstance(value, tree.Node)
    parts = [f"{lead}{name}={shown(item, inner)}" for name, item in said(value)]
    return type(value).__name__ + "".join(parts)


def flat_text(value: object) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join([flat_text(item) for item in value])}]"
    if isinstance(value, tree.Node):
        parts = [f"{name}={flat_text(item)}" for name, item in said(value)]
        return f"{type(value).__name__}({', '.join(parts)})"
    return repr(value)


def said(node: tree.Node) -> Iterator[tuple[str, object]]:
    for each in fields(node):
        value = getattr(node, each.name)
        if each.name != "position" and (each.default is MISSING or value != each.default):
            yield each.name, value


def interesting(node: tree.Node) -> object:
    """The tree without the frames that all have."""
    if isinstance(node, tree.Program) and len(node.parts) == 1:
        node = node.parts[0]
    if isinstance(node, tree.Procedure) and len(list(said(node))) == 1:
        return node.first
    return node


@pytest.mark.parametrize("name", FILES)
def test_trees(name: str) -> None:
    made = [(text, "    " + shown(interesting(read(text, name)))) for text, _ in entries(name)]
    if os.environ.get("SKERRY_REGENERATE"):
        (GOLDEN / name).write_text(
            "\n\n".join([f"{t}\n{lines}" for t, lines in made]) + "\n", encoding="utf-8"
        )
    assert made == entries(name)


@pytest.mark.parametrize("name", FILES)
def test_trees_come_back_the_same_from_their_text(name: str) -> None:
    for text, _ in entries(name):
        found = read(text, name)
        assert read(unparse(found), name) == found, text


@pytest.mark.parametrize("name", FILES)
def test_every_statement_cut_off_is_a_shorter_one_or_a_syntax_error_at_its_end(name: str) -> None:
    for text, _ in entries(name):
        for start in tokenize(text).starts[1:-1]:
            cut = text[:start].rstrip()
            try:
                read(cut, name)
            except errors.SyntaxError as error:
                assert error.position is not None
                if "ends too early" in str(error):
                    assert error.position == len(cut) + 1, cut
                    assert error.expected, cut
                else:  # of what is written: an insert pattern without its last node, WITH without TIME
                    last = tokenize(cut).starts[-2] + 1
                    assert "unexpected" not in str(error) or error.position == last, (cut, str(error))


@pytest.mark.parametrize("name", FILES)
def test_every_statement_with_a_foreign_token_in_it_is_refused_there(name: str) -> None:
    for text, _ in entries(name):
        for start in tokenize(text).starts[1:]:
            wrong = f"{text[:start]} ; {text[start:]}"
            with pytest.raises(errors.SyntaxError) as caught:
                read(wrong, name)
            assert caught.value.position is not None
            assert caught.value.position <= len(text[:start]) + 2, wrong
            assert caught.value.line_number == 1


def test_every_class_of_the_tree_is_in_a_golden_tree() -> None:
    text = "".join((GOLDEN / name).read_text(encoding="utf-8") for name in FILES)
    bases = {base for cls in vars(tree).values() if isinstance(cls, type) for base in cls.__bases__}
    classes = {
        cls.__name__
        for cls in vars(tree).values()
        if isinstance(cls, type) and issubclass(cls, tree.Node) and cls not in bases
    }
    frames = {"Program", "Procedure"}
    assert {name for name in classes - frames if name not in text} == set()
