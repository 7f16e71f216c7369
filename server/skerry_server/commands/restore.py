"""`skerry restore`: a database out of a backup, as it was at any epoch that the backup holds.

The backup is copied, not changed; what is restored is checked.
"""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from skerry_server.commands.check import check
from skerry_server.commands.times import microseconds, moment, shown

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

_EXAMPLES = """examples:
  skerry restore /backups/monday ./data
  skerry restore --to-epoch 4711 /backups/monday ./data
  skerry restore --to-timestamp 2026-11-22T04:20:00+00:00 /backups/monday ./data
"""


def add_parser(commands: Subparsers) -> None:
    """Declare the command and its options."""
    parser = commands.add_parser(
        "restore",
        help="make a database out of a backup",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "backup", metavar="BACKUP", help="a backup's directory (or a database's that nobody has open)"
    )
    parser.add_argument("dest", metavar="DEST", help="a directory that does not exist yet, or is empty")
    end = parser.add_mutually_exclusive_group()
    end.add_argument("--to-epoch", type=int, metavar="N", help="as it was after the commit with this epoch")
    end.add_argument(
        "--to-timestamp",
        type=microseconds,
        metavar="T",
        help="with all commits up to this time (ISO 8601), and none after the first that is later",
    )
    parser.add_argument("--no-check", action="store_true", help="don't check the database afterwards")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Restore; raises DatabaseError and OSError."""
    from skerry_engine.durability.backup import copy_resting
    from skerry_engine.durability.copies import End

    target = os.path.abspath(options.dest)
    copied = copy_resting(options.backup, target, End(options.to_epoch, options.to_timestamp))
    last = copied.last_commit_us
    until = "" if last is None else f", its last commit of {shown(moment(last))}"
    print(f"restored to {target}: epoch {copied.last_epoch}{until}", flush=True)
    return 0 if options.no_check else check(target)
