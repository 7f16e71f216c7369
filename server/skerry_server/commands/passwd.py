"""`skerry passwd`: sets, changes or removes a role's password, in a directory at rest or through a running server.

The password is asked for twice on a terminal, and else is the first line of standard input: it never stands on a
command line, where everybody on the machine can read it.  What is sent is its verifier, not the password.
"""

from __future__ import annotations

import argparse
import getpass
import sys
from typing import TYPE_CHECKING

from skerry_engine.catalog.passwords import make_verifier
from skerry_engine.errors import InvalidPassword
from skerry_server.commands.opening import opened

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

_EXAMPLES = """examples:
  skerry passwd ./data                        the superuser's, asked for twice
  skerry passwd ./data ann < secret.txt       the first line of a file
  skerry passwd skerry://127.0.0.1:5433 ann   through a running server
  skerry passwd --remove ./data ann
"""


def add_parser(commands: Subparsers) -> None:
    """Declare the command and its options."""
    parser = commands.add_parser(
        "passwd",
        help="set a role's password",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "target", metavar="TARGET", help="a database's directory, or skerry://user@host:port/db"
    )
    parser.add_argument(
        "role", metavar="ROLE", nargs="?", default="skerry", help="whose (default: %(default)s)"
    )
    parser.add_argument("--remove", action="store_true", help="leave the role without a password")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Change the password; raises DatabaseError, OSError, InvalidPassword where nothing was typed."""
    verifier = None if options.remove else str(make_verifier(_asked(options.role)))
    role = options.role.replace('"', '""')
    password = "NULL" if verifier is None else f"'{verifier}'"
    with opened(options.target, None) as database:
        database.execute(f'ALTER ROLE "{role}" PASSWORD {password}')
    print(f"{options.role}: the password was {'removed' if options.remove else 'changed'}", file=sys.stderr)
    return 0


def _asked(role: str) -> str:
    if not sys.stdin.isatty():
        password = sys.stdin.readline().rstrip("\r\n")
    else:
        password = getpass.getpass(f"New password for {role}: ")
        if password != getpass.getpass("Again: "):
            raise InvalidPassword("the passwords are not the same")
    if not password:
        raise InvalidPassword("an empty password is none", hint="skerry passwd --remove removes one.")
    return password
