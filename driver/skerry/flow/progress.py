"""Telling how far `each` is: a bar of tqdm's, or a function that gets the count.

tqdm is an extra (`pip install 'skerry[progress]'`), imported when a bar is asked for.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from skerry_engine.errors import InterfaceError

Progress: TypeAlias = bool | Callable[[int], object] | None
"""True for a bar, or a function that is called with the number of rows done."""


def check(progress: Progress) -> None:
    """Raise InterfaceError where a bar is asked for that can't be shown."""
    if progress is True:
        _tqdm()
    elif progress and not callable(progress):
        raise InterfaceError(f"progress is True, or a function of the number of rows done, not {progress!r}")


@contextlib.contextmanager
def shown(progress: Progress, rows: object, name: str) -> Iterator[Callable[[int], object] | None]:
    """What to call with the number of rows done; None when nobody wants to know."""
    if progress is not True:
        yield progress if callable(progress) else None
        return
    total = len(rows) if hasattr(rows, "__len__") else None
    with _tqdm()(total=total, desc=name, unit=" rows") as bar:
        yield lambda count: bar.update(count - bar.n)


def _tqdm() -> Any:
    try:
        return importlib.import_module("tqdm.auto").tqdm
    except ImportError as problem:
        raise InterfaceError(
            "progress=True needs tqdm: pip install 'skerry[progress]', or give a function of the count"
        ) from problem
