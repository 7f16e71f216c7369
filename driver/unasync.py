"""Makes the blocking half of the driver of its asyncio half: `python driver/unasync.py [--check]`.

What is the same in both worlds but for `async` and `await` is written once, in skerry/aio, and turned into blocking
code here; what differs is in the two modules called `primitives`.  The results are checked in; with `--check` nothing
is written, and the exit status says whether they are up to date.

A line that ends with `# async only` has no twin.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

DRIVER = Path(__file__).parent / "skerry"

MODULES = (
    *("backend", "connection_pool", "copying", "dbapi", "loading", "pool"),
    *("reaching", "retrying", "server_session", "transactions"),
)
"""Those of skerry/aio that have a generated twin in skerry."""

FLOW_MODULES = (
    "abc",
    "blocks",
    "database",
    "repositories",
    "resources",
    "run",
    "scope",
    "session_factory",
    "skerry_sessions",
    "sqlalchemy_sessions",
)
"""Those of skerry/flow/aio that have one in skerry/flow."""

WORKFLOW_MODULES = ("reflecting", "runner")
"""Those of skerry/flow/workflows/aio that have one in skerry/flow/workflows."""

TESTS = Path(__file__).parent.parent / "tests"
FOLDERS = (
    (DRIVER, MODULES),
    (DRIVER / "flow", FLOW_MODULES),
    (DRIVER / "flow" / "workflows", WORKFLOW_MODULES),
    (TESTS / "support", ("flow_handles", "flow_programs", "flow_world")),
    (TESTS / "flows", ("test_rows_a", "test_rows_a_scopes", "test_rows_b", "test_rulings", "test_failures")),
)
"""Where there are sources in a folder `aio`, tests among them: what holds in one world holds in the other."""

TWINS = tuple(
    (folder / "aio" / f"{name}.py", folder / f"{name}.py") for folder, names in FOLDERS for name in names
)
"""Sources and what is made of them."""

_RULES = (
    (r"[^\n]*# async only\n", ""),
    (r"\basync (def|with|for)\b", r"\1"),
    (r"\bawait ", ""),
    (r"\b(skerry|driver|skerry\.flow|skerry\.flow\.workflows|support)(\.|/)aio\b", r"\1"),
    (r"\b__a(enter|exit|iter|next)__", r"__\1__"),
    (r"\bsqlalchemy\.ext\.asyncio import AsyncSession\b", "sqlalchemy.orm import Session"),
    (
        r"from sqlalchemy\.ext\.asyncio import AsyncEngine, AsyncSession\b",
        "from sqlalchemy.engine import Engine\nfrom sqlalchemy.orm import Session",
    ),
    (r"\bsqlalchemy\.ext\.asyncio\b", "sqlalchemy.engine"),
    (r"\bStopAsyncIteration\b", "StopIteration"),
    (r"\basynccontextmanager\b", "contextmanager"),
    (r"\bAsyncIterator\b", "Iterator"),
    (r"\b(_?)Async([A-Z]\w*)", r"\1\2"),
    (r"\bAwaitable, ", ""),
    (r"\bAwaitable\[(\w+)\]", r"\1"),
    (r"\bCoroutine, ", ""),
    (r"\bCoroutine\[Any, Any, (\w+)\]", r"\1"),
    (r"\bIterable\[T\] \| AsyncIterable\[T\]", "Iterable[T]"),
    (r"\b(open|connect|run|run_transaction)_async\b", r"\1"),
)


def blocking(source: str, name: str) -> str:
    """The text of the twin, not formatted yet."""
    for pattern, replacement in _RULES:
        source = re.sub(pattern, replacement, source)
    opening, head, rest = source.split('"""', 2)
    note = f"Generated from aio/{name}.py by driver/unasync.py: change that one."
    return f'{opening}"""{head.rstrip()}\n\n{note}\n"""{rest}'


def _meaning(text: str) -> list[str]:
    """What a module says, whatever its layout and the order of its imports."""
    imported: set[str] = set()
    rest = []
    for each in ast.parse(text).body:
        if isinstance(each, ast.ImportFrom):
            imported |= {f"{each.module} {name.name} {name.asname}" for name in each.names}
        else:
            rest.append(ast.dump(each))
    return [*sorted(imported), *rest]


def stale() -> list[str]:
    """The twins that are not what they would be if they were made now."""
    found = []
    for source, twin in TWINS:
        made = blocking(source.read_text(encoding="utf-8"), source.stem)
        if not twin.exists() or _meaning(made) != _meaning(twin.read_text(encoding="utf-8")):
            found.append(os.path.relpath(twin, TESTS.parent))
    return found


def main(arguments: list[str]) -> int:
    """Write the twins, or check them."""
    if arguments == ["--check"]:
        names = stale()
        print("\n".join(f"{name} is not up to date" for name in names) or "all up to date")
        return 1 if names else 0
    paths = []
    for source, twin in TWINS:
        twin.write_text(blocking(source.read_text(encoding="utf-8"), source.stem), encoding="utf-8")
        paths.append(str(twin))
    ruff = [sys.executable, "-m", "ruff"]
    subprocess.run([*ruff, "check", "--quiet", "--fix", "--select", "I", *paths], check=True)
    subprocess.run([*ruff, "format", "--quiet", *paths], check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
