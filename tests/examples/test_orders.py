"""The example of the driver does what it says, in a directory and on a server."""

from __future__ import annotations

from pathlib import Path

import orders
from support.postgres_server import Address

EXPECTED = "200 orders loaded, 200 shipped, 4975.00 in all"


def test_in_a_directory(tmp_path: Path) -> None:
    assert orders.main(str(tmp_path / "data")) == EXPECTED


def test_on_a_server(skerry_server: Address) -> None:
    assert (
        orders.main(f"skerry://{skerry_server.user}@{skerry_server.host}:{skerry_server.port}/postgres")
        == EXPECTED
    )
