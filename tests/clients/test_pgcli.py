"""pgcli, as it is: what it prints, of statements and of its own commands, is what it prints in front of PostgreSQL."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from support.postgres_server import Address

COMMANDS = [
    "drop table if exists cli_lines, cli_orders",
    "create table cli_orders (id int primary key, placed timestamptz default now(), note text unique)",
    "create table cli_lines (order_id int references cli_orders, amount numeric(10, 2) check (amount > 0))",
    "create index on cli_lines (amount)",
    "insert into cli_orders (id, note) values (1, 'first'), (2, null)",
    "select id, note from cli_orders order by id",
    r"\d cli_lines",
    r"\d cli_orders",
    r"\dt cli*",
    r"\di cli*",
    r"\dn pub*",
    "insert into cli_lines values (3, 1)",
]
TIMES = re.compile(r"^Time: .*$", re.MULTILINE)
GRAPH = ["INSERT (:Cli {name: 'Ada'})", "MATCH (n:Cli) RETURN n.name AS name", "MATCH (n:Cli) DELETE n"]


def pgcli(server: Address, home: Path, commands: list[str]) -> str:
    """What pgcli prints of some commands, up to an error; times taken out."""
    arguments = [part for command in commands for part in ("-c", command)]
    where = ["-h", server.host, "-p", str(server.port), "-u", server.user, server.database]
    ran = subprocess.run(
        [sys.executable, "-m", "pgcli.main", "--less-chatty", "--yes", "-w", *where, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={
            **os.environ,
            **server.environment(),
            "HOME": str(home),
            "XDG_CONFIG_HOME": str(home),
            "PAGER": "cat",
        },
    )
    return TIMES.sub("", ran.stdout).replace(f" {server.user} ", " OWNER ")


def test_it_prints_what_it_prints_of_postgresql(server: Address, postgres: Address, tmp_path: Path) -> None:
    printed = pgcli(server, tmp_path, COMMANDS)
    assert "first" in printed and "cli_orders_pkey" in printed
    assert printed == pgcli(postgres, tmp_path, COMMANDS)


def test_graphs_can_be_asked(server: Address, tmp_path: Path) -> None:
    assert "| Ada  |" in pgcli(server, tmp_path, GRAPH)
