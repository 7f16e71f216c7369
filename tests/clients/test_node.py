"""node's `pg` against a real server: a script of its own, whose findings are compared here.

The package is looked for where node looks for it, and in SKERRY_NODE_MODULES.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from support.postgres_server import Address

SCRIPT = Path(__file__).parent / "node_client.js"


def _node() -> tuple[str, dict[str, str]]:
    """node, and the environment in which it finds `pg`; skips where there is none."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    places = [os.environ.get("SKERRY_NODE_MODULES", ""), os.environ.get("NODE_PATH", "")]
    environment = {**os.environ, "NODE_PATH": os.pathsep.join(place for place in places if place)}
    found = subprocess.run(
        [node, "-e", "require('pg')"], env=environment, capture_output=True, timeout=60, check=False
    )
    if found.returncode:
        pytest.skip("node has no package `pg` (npm install pg; SKERRY_NODE_MODULES says where)")
    return node, environment


def test_node_pg(server: Address) -> None:
    node, environment = _node()
    run = subprocess.run(
        [node, str(SCRIPT), server.host, str(server.port), server.user, server.database],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    at = "2024-06-01T12:00:00.000Z"
    assert found == {
        "rows": [
            {"id": n, "name": f"item {n}", "price": "1.50", "at": at, "data": {"id": n}} for n in (1, 3)
        ],
        "fields": [["id", 23], ["name", 25], ["price", 1700], ["at", 1184], ["data", 3802]],
        "tag": ["SELECT", 2],
        "arrays": [[n, f"item {n}"] for n in (1, 2, 3)],
        "duplicate": {"code": "23505", "constraint": "items_pkey", "table": "items"},
        "count": 3,
        "several": [{"a": 1}, {"b": 2}],
        "binary": 42,
        "timeout": {"code": "57014"},
        "settings": "node",
        "notification": ["news", "hello"],
        "pool": list(range(10)),
        "graph": [{"name": "Ann"}, "Bo"],
    }
