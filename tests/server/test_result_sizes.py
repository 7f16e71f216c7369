"""However many rows a result has, all of them arrive: the sizes around those at which sending changes its way."""

from __future__ import annotations

from contextlib import closing

import pytest
from support.postgres_server import Address
from support.wire_client import WireClient

import skerry

SIZES = (0, 1, 127, 128, 129, 256, 257, 511, 512, 513, 1000, 1023, 1024, 1025, 1500, 5000)


@pytest.mark.parametrize("size", SIZES)
def test_all_rows_arrive(skerry_server: Address, size: int) -> None:
    address = (
        f"skerry://{skerry_server.user}@{skerry_server.host}:{skerry_server.port}/{skerry_server.database}"
    )
    expected = list(range(1, size + 1))
    with skerry.open(address) as database:
        for _ in range(3):  # planned, then from the cache
            found = database.execute("SELECT n FROM generate_series(1, $1) AS s (n)", (size,)).fetchall()
            assert [n for (n,) in found] == expected
            assert (
                len(database.execute(f"FOR n IN [{', '.join(map(str, expected))}] RETURN n").fetchall())
                == size
            )
    with closing(WireClient(skerry_server)) as client:
        for _ in range(3):
            result = client.query(f"SELECT n FROM generate_series(1, {size}) AS s (n)")
            assert [int(n or 0) for (n,) in result.rows] == expected
            result = client.extended(f"SELECT n FROM generate_series(1, {size}) AS s (n)")
            assert [int(n or 0) for (n,) in result.rows] == expected
