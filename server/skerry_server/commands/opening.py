"""How commands get at the database that they are given: in this process, or through the server that has it open."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from skerry_engine.errors import DatabaseInUse

if TYPE_CHECKING:
    from skerry import Database


def opened(source: str, name: str | None) -> Database:
    """The database: a directory's, or an address's; a directory that is served is asked for at its server.

    Raises FileNotFoundError, DatabaseInUse, and what opening raises.
    """
    import skerry
    from skerry_engine.log.lock_file import served_at

    if "://" not in source and source != ":memory:" and not (Path(source) / "control").exists():
        # Opening it would make one.
        raise FileNotFoundError(f"there is no database in {source!r}")
    try:
        return skerry.open(source, database=name)
    except DatabaseInUse:
        address = served_at(source)
        if address is None:
            raise
    return skerry.open(address, database=name)
