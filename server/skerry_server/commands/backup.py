"""`skerry backup`: a copy of a database in a directory, while it is served or while it rests.

A directory that nobody has open is copied by this process.  One that a server has open is copied by the server,
which its lock file names; so is a database named by address.  Then the copy is checked, here.
"""

from __future__ import annotations

import argparse
import os
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from skerry_engine.errors import DatabaseInUse
from skerry_server.commands.check import check
from skerry_server.commands.times import moment, shown

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

_EXAMPLES = """examples:
  skerry backup ./data /backups/monday                             whether a server has it open or nobody
  skerry backup skerry://skerry@127.0.0.1:5433 /backups/monday     the directory is one of the server's machine
"""


class Made(NamedTuple):
    """What can be restored from a backup."""

    first_epoch: int
    last_epoch: int
    last_commit: datetime | None


def add_parser(commands: Subparsers) -> None:
    """Declare the command and its options."""
    parser = commands.add_parser(
        "backup",
        help="copy a database, while it is served or at rest",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("source", metavar="SOURCE", help="a database's directory, or skerry://user@host:port")
    parser.add_argument("dest", metavar="DEST", help="a directory that does not exist yet, or is empty")
    parser.add_argument("--no-check", action="store_true", help="don't check the copy afterwards")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Make the backup; raises DatabaseError and OSError."""
    target = os.path.abspath(options.dest)
    made = _by_server(options.source, target) if "://" in options.source else _by_path(options.source, target)
    until = "" if made.last_commit is None else f", the last commit at {shown(made.last_commit)}"
    print(f"backed up to {target}: epochs {made.first_epoch} to {made.last_epoch}{until}", flush=True)
    if options.no_check:
        return 0
    if not os.path.isdir(target):
        print("the directory is on the server's machine: run skerry check there")
        return 0
    return check(target)


def _by_path(source: str, target: str) -> Made:
    from skerry_engine.durability.backup import copy_resting
    from skerry_engine.durability.copies import End
    from skerry_engine.log.lock_file import served_at

    try:
        copied = copy_resting(source, target, End())
    except DatabaseInUse as error:
        address = served_at(source)
        if address is None:
            error.hint = "The program that has it open can make a backup: Database.backup(), or BACKUP TO."
            raise
        return _by_server(address, target)
    last = copied.last_commit_us
    return Made(copied.first_epoch, copied.last_epoch, None if last is None else moment(last))


def _by_server(address: str, target: str) -> Made:
    import skerry

    with skerry.open(address) as database:
        return Made(*database.backup(target))
