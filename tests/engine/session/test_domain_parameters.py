"""A parameter where a domain's value is wanted is described as the domain, and takes values of its base type."""

from __future__ import annotations

from support.sessions import SqlDatabase

from skerry_engine.session.steps import Rows
from skerry_engine.values import oids

SETUP = """
create domain pos as int check (value > 0);
create domain above as pos;
create table t (p above, ps pos[])
"""


def test_parameters_of_domains() -> None:
    maker = SqlDatabase().session()
    for text in SETUP.split(";"):
        maker.run_all(text)
    named = {
        str(name): oid
        for name, oid in maker.rows("select typname, oid from pg_type where typname ~ 'pos|above'")
    }
    pos, poses, above = named["pos"], named["_pos"], named["above"]
    session = maker.session

    def described(text: str, declared: tuple[int, ...] = ()) -> list[int]:
        session.parse("", text, declared)
        return list(session.describe_statement("")[0])

    assert described("select $1::pos, $2::pos[], $3::int, $4::above") == [pos, poses, oids.INT4, above]
    assert described("insert into t values ($1, $2)") == [above, poses]
    assert described("select $1::pos", (oids.INT8,)) == [oids.INT8]
    assert described("select $1 + 1", (above,)) == [oids.INT4]
    session.parse("", "select $1::pos", ())
    session.bind("", "", [b"\x00\x00\x00\x05"], [1], [0])
    rows = [row for step in session.execute("", 0) if isinstance(step, Rows) for row in step.rows]
    assert rows == [(5,)]
