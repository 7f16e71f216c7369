"""`skerry dump`: a database as SQL that psql loads, into Skerry and into PostgreSQL."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from skerry_engine.errors import DatabaseInUse
from skerry_server.commands.output import output

if TYPE_CHECKING:
    from skerry import Database

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

_EXAMPLES = """examples:
  skerry dump skerry://skerry@127.0.0.1:5433/shop > shop.sql
  skerry dump --database shop --output shop.sql ./data
  skerry dump --schema-only --table orders --table 'archive.*' ./data
  psql -v ON_ERROR_STOP=1 --single-transaction -d shop -f shop.sql
"""


def add_parser(commands: Subparsers) -> None:
    """Declare the command and its options."""
    parser = commands.add_parser(
        "dump",
        help="write a database as SQL that psql loads",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "source", metavar="SOURCE", help="a database's directory, or skerry://user@host:port/db"
    )
    parser.add_argument(
        "-d",
        "--database",
        metavar="NAME",
        help="which database of the cluster (default: the address's, postgres)",
    )
    part = parser.add_mutually_exclusive_group()
    part.add_argument("-s", "--schema-only", action="store_true", help="definitions without rows")
    part.add_argument("-a", "--data-only", action="store_true", help="rows and sequences' values only")
    parser.add_argument(
        "-t",
        "--table",
        action="append",
        default=[],
        metavar="PATTERN",
        help="only tables, views and sequences of that name; * and ? are wild; may be given several times",
    )
    parser.add_argument("--inserts", action="store_true", help="INSERT statements instead of COPY blocks")
    parser.add_argument(
        "--no-graphs", action="store_true", help="without graphs, and views that read them, for PostgreSQL"
    )
    parser.add_argument("-o", "-f", "--output", metavar="FILE", help="write here (default: standard output)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write the dump; raises DatabaseError and OSError."""
    with _opened(options.source, options.database) as database, output(options.output) as stream:
        warnings = database.dump(
            stream,
            schema=not options.data_only,
            data=not options.schema_only,
            tables=options.table,
            inserts=options.inserts,
            graphs=not options.no_graphs,
        )
    for warning in warnings:
        print(f"skerry: warning: {warning}", file=sys.stderr)
    return 0


def _opened(source: str, name: str | None) -> Database:
    """The database: in this process, or through the server that has its directory open."""
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
