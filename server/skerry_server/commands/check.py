"""`skerry check`: everything in a database's directory that is not as it was written."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from skerry_engine.errors import DatabaseInUse

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]


def add_parser(commands: Subparsers) -> None:
    """Declare the command."""
    parser = commands.add_parser("check", help="report all damage to a database that nobody has open")
    parser.add_argument("directory", metavar="DIR", help="the database's directory")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print what is found, a line each; 1 if something is damaged.  Raises DatabaseError and OSError."""
    try:
        return check(options.directory)
    except DatabaseInUse as error:
        error.hint = "skerry backup makes a copy while it is in use, and checks that."
        raise


def check(directory: str) -> int:
    """Check a directory, as the command does."""
    from skerry_engine.durability.check import check_directory

    damaged = 0
    for finding in check_directory(directory, [sys.executable, "-m", __name__]):
        damaged += finding.is_damage
        print(finding.text if finding.is_damage else f"note: {finding.text}", flush=True)
    print("no damage found" if not damaged else f"damaged: {damaged} findings; restore a backup")
    return 1 if damaged else 0


def main() -> None:
    """The part that runs in a process of its own."""
    from skerry_engine.durability.check import tell_contents
    from skerry_engine.engine import Engine

    tell_contents(Engine.open(), sys.argv[1:])


if __name__ == "__main__":
    main()
