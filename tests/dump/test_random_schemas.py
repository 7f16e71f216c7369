"""Random databases go through a dump and come out the same, in front of Skerry and of PostgreSQL.

A seed names each: `SKERRY_RANDOM_SCHEMAS=500` runs more of them.  Several share one dump, each in a database of its own
would only take longer to make.
"""

from __future__ import annotations

import os
import random

import pytest
from support.builds import this_builds
from support.dumps import check_round_trips, dump_of
from support.postgres_server import Address
from support.random_schemas import SchemaMaker

import skerry

SCHEMAS = int(os.environ.get("SKERRY_RANDOM_SCHEMAS", "8"))


@pytest.mark.parametrize("seed", this_builds(range(SCHEMAS)))
def test_random_schema(seed: int, skerry_server: Address, postgres: Address) -> None:
    with skerry.open() as original:
        for statement in SchemaMaker(random.Random(seed)).statements():
            original.execute(statement)
        text = dump_of(original)
    check_round_trips(text, skerry_server, postgres)
