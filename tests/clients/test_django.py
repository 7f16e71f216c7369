"""Django, unchanged, sees in front of Skerry what it sees in front of PostgreSQL."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

from support.postgres_server import Address
from support.wire_client import WireClient

CLIENT = Path(__file__).parent / "django_client.py"


def _seen(server: Address) -> dict[str, Any]:
    with closing(WireClient(server)) as admin:
        admin.query("DROP DATABASE IF EXISTS django")
        assert admin.query("CREATE DATABASE django").error is None
    ran = subprocess.run(
        [sys.executable, str(CLIENT), server.host, str(server.port), server.user, "django"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


def test_django(server: Address, postgres: Address) -> None:
    seen = _seen(server)
    assert seen["unapplied"] == 0
    assert seen["permissions"] > 10
    assert seen["joined"] == ["ann"]
    assert seen["groups"] == ["kept", "new", "staff"]
    assert (seen["taken"], seen["deferred"], seen["locked"], seen["skipped"]) == (
        "23505",
        "23503",
        "55P03",
        [],
    )
    assert seen == _seen(postgres)
