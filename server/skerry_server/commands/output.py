"""Where a command writes what it makes: standard output, or a file that is there only when it is complete."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def output(path: str | None) -> Iterator[BinaryIO]:
    """A stream of bytes; `None` and `-` mean standard output.

    A regular file appears under its name when the block ends without an exception, and is on disk then; what was
    there before stays until that moment.  Raises OSError.
    """
    if path is None or path == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    target = Path(path)
    if target.exists() and not target.is_file():  # a pipe, a terminal, /dev/null
        with target.open("wb") as stream:
            yield stream
        return
    unfinished = target.with_name(f"{target.name}.unfinished-{os.getpid()}")
    try:
        with unfinished.open("wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        unfinished.replace(target)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
