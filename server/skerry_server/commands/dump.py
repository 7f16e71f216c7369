"""`skerry dump`: a database as SQL that psql loads, into Skerry and into PostgreSQL."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from skerry_server.commands.opening import opened
from skerry_server.commands.output import output

if TYPE_CHECKING:
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
    parser.add_argument(
        "--roles",
        action="store_true",
        help="begin with the cluster's roles, their passwords' verifiers included",
    )
    parser.add_argument("-o", "-f", "--output", metavar="FILE", help="write here (default: standard output)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write the dump; raises DatabaseError and OSError."""
    with opened(options.source, options.database) as database, output(options.output) as stream:
        warnings = database.dump(
            stream,
            schema=not options.data_only,
            data=not options.schema_only,
            tables=options.table,
            inserts=options.inserts,
            graphs=not options.no_graphs,
            roles=options.roles,
        )
    for warning in warnings:
        print(f"skerry: warning: {warning}", file=sys.stderr)
    return 0
