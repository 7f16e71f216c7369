"""Enums, domains, addresses, bits and money as Python sees them: embedded and over the network alike."""

from __future__ import annotations

import ipaddress

import pytest
from support.databases import database

import skerry

__all__ = ["database"]

SETUP = """
CREATE TYPE mood AS ENUM ('sad', 'so, so', 'ok');
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE TABLE felt (id positive PRIMARY KEY, m mood, ms mood[], a inet)
"""


def test_values(database: skerry.Database) -> None:
    database.execute(SETUP)
    address = ipaddress.ip_address("10.1.2.3")
    database.execute(
        "INSERT INTO felt VALUES ($1, $2, $3::mood[], $4)", [1, "ok", ["sad", None, "so, so"], "10.1.2.3"]
    )
    assert database.execute("SELECT * FROM felt").fetchall() == [
        (1, "ok", ["sad", None, "so, so"], address),
    ]
    with pytest.raises(skerry.DataError, match='invalid input value for enum mood: "bad"'):
        database.execute("UPDATE felt SET m = $1", ["bad"])
    with pytest.raises(skerry.IntegrityError, match="violates check constraint"):
        database.execute("UPDATE felt SET id = $1", [-1])


def test_composite_types(database: skerry.Database) -> None:
    database.execute(SETUP)
    database.execute("CREATE TYPE pair AS (a int, m mood)")
    database.execute("CREATE TABLE pairs (p pair)")
    database.execute("INSERT INTO pairs VALUES (ROW(1, 'ok')), ($1), (NULL)", ['(2,"so, so")'])
    found = database.execute("SELECT p, (p).a, (p).m FROM pairs ORDER BY 2").fetchall()
    assert found == [("(1,ok)", 1, "ok"), ('(2,"so, so")', 2, "so, so"), (None, None, None)]
    listed = database.execute("SELECT array_agg(p ORDER BY p), ARRAY[[NULL, '(3,ok)']]::pair[] FROM pairs")
    assert listed.one() == (["(1,ok)", '(2,"so, so")', None], [[None, "(3,ok)"]])
    database.execute("ALTER TYPE pair ADD ATTRIBUTE c int, DROP ATTRIBUTE a")
    assert database.execute("SELECT array_agg(p ORDER BY p) FROM pairs").scalar() == [
        '("so, so",)',
        "(ok,)",
        None,
    ]


def test_ranges_are_their_texts(database: skerry.Database) -> None:
    row = database.execute(
        "SELECT int4range(1, 3, '[]'), $1::daterange, '{[1,2),(5,)}'::nummultirange, ARRAY[$2::int8range, NULL],"
        " '{\"{}\",NULL}'::int4multirange[]",
        ["[2020-01-01,2020-01-02]", "empty"],
    ).one()
    assert row == ("[1,4)", "[2020-01-01,2020-01-03)", "{[1,2),(5,)}", ["empty", None], ["{}", None])
    with pytest.raises(skerry.DataError, match="range lower bound must be less"):
        database.execute("SELECT $1::int4range", ["[3,1]"])


def test_the_labels_of_an_enum_are_those_of_the_moment(database: skerry.Database) -> None:
    database.execute(SETUP)
    database.execute("INSERT INTO felt (id, m) VALUES (1, 'ok')")
    for old, new in (("ok", "fine"), ("fine", "well")):
        database.execute(f"ALTER TYPE mood RENAME VALUE '{old}' TO '{new}'")
        assert database.execute("SELECT m, m::text, ARRAY[m] FROM felt").one() == (new, new, [new])


def test_values_of_network_types_bits_and_money(database: skerry.Database) -> None:
    row = database.execute(
        "SELECT '10.0.0.0/8'::cidr, '{::1,1.2.3.4/24}'::inet[], '08:00:2b:01:02:03'::macaddr, B'101',"
        " '{1,01}'::varbit[], '12.5'::money, '{08:00:2b:01:02:03}'::macaddr[], '{1}'::money[]"
    ).one()
    assert row == (
        ipaddress.ip_network("10.0.0.0/8"),
        [ipaddress.ip_address("::1"), ipaddress.ip_interface("1.2.3.4/24")],
        "08:00:2b:01:02:03",
        "101",
        ["1", "01"],
        "$12.50",
        ["08:00:2b:01:02:03"],
        ["$1.00"],
    )
