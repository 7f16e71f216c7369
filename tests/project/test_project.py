"""What the repository promises about itself."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SOURCES = sorted(path for name in ("driver", "server", "engine") for path in (ROOT / name).rglob("*.py"))


def test_compiled_modules_exist_once() -> None:
    modules = PYPROJECT["tool"]["hatch"]["build"]["hooks"]["custom"]["compiled-modules"]
    assert modules
    assert len(modules) == len(set(modules))
    assert [name for name in modules if not (ROOT / name).is_file()] == []


def _yields_inside(nodes: list[ast.stmt]) -> list[int]:
    found = [n for statement in nodes for n in ast.walk(statement)]
    return [n.lineno for n in found if isinstance(n, (ast.Yield, ast.YieldFrom))]


def test_compiled_generators_do_not_yield_in_handlers() -> None:
    """Closed while suspended in an `except` or `finally` block,
    a compiled generator corrupts the interpreter."""
    found: list[str] = []
    for name in PYPROJECT["tool"]["hatch"]["build"]["hooks"]["custom"]["compiled-modules"]:
        for node in ast.walk(ast.parse((ROOT / name).read_text(encoding="utf-8"))):
            body = node.body if isinstance(node, ast.ExceptHandler) else getattr(node, "finalbody", [])
            found += [f"{name}:{line}" for line in _yields_inside(body)]
    assert found == []


def test_nothing_interpreted_inherits_from_what_is_compiled() -> None:
    """Python can't make such a class: it raises TypeError when the class is defined."""
    names = PYPROJECT["tool"]["hatch"]["build"]["hooks"]["custom"]["compiled-modules"]
    compiled = {ROOT / name: name.split("/", 1)[1].removesuffix(".py").replace("/", ".") for name in names}
    classes = {
        (module, node.name)
        for path, module in compiled.items()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef) and not _is_plain(node)
    }
    found: list[str] = []
    for path in SOURCES:
        if path not in compiled:
            nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
            imports = [node for node in nodes if isinstance(node, ast.ImportFrom)]
            here = {
                each.asname or each.name
                for n in imports
                for each in n.names
                if (n.module, each.name) in classes
            }
            found += [
                f"{path.relative_to(ROOT)}:{node.lineno} {node.name}({base.id})"
                for node in nodes
                if isinstance(node, ast.ClassDef)
                for base in node.bases
                if isinstance(base, ast.Name) and base.id in here
            ]
    assert found == []


def _is_plain(node: ast.ClassDef) -> bool:
    """Whether mypyc makes an ordinary Python class of it: exceptions, enumerations, protocols."""
    bases = {base.id for base in node.bases if isinstance(base, ast.Name)}
    return bool(bases & {"Exception", "Enum", "IntEnum", "Protocol", "NamedTuple"})


def test_installed_version_is_this_one() -> None:
    assert version("skerry") == PYPROJECT["project"]["version"]


def test_version_command() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", "from skerry_server.cli import main; main(['--version'])"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stdout.strip() == f"skerry {PYPROJECT['project']['version']}"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["serve", "--host", "0.0.0.0", "--auth", "trust"], "this machine only"),
    ],
)
def test_what_serve_refuses(arguments: list[str], message: str) -> None:
    ran = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from skerry_server.cli import main; sys.exit(main(sys.argv[1:]))",
            *arguments,
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert ran.returncode == 1
    assert message in ran.stderr
    assert "Traceback" not in ran.stderr


def test_every_module_says_what_it_is() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in SOURCES
        if path.stat().st_size and not path.read_text(encoding="utf-8").startswith('"""')
    ]
    assert silent == []


def test_typed_packages_are_marked() -> None:
    for package in PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]:
        assert (ROOT / package / "py.typed").is_file()


def test_the_two_commands_of_the_readme_are_targets() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    commands = re.findall(r"^ {4}make ([a-z-]+)", readme, re.MULTILINE)
    assert commands[:2] == ["serve", "test"]
    assert set(commands) <= set(targets)


def test_links_between_documents() -> None:
    for document in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text(encoding="utf-8")):
            assert (document.parent / target).exists(), f"{document.name}: {target}"
