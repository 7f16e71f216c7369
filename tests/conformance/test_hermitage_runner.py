"""Hermitage's scripts as specs, on a page of our own."""

from __future__ import annotations

import pytest
from hermitage.script import ScriptError, read_scripts
from isolation.spec import parse_spec

PAGE = """
Setup (before every case):

```sql
create table test (id int primary key, value int);
```

Some "low level" stops Things (T1x):

```sql
begin; -- T1
begin; -- T2
update test set value = 11 where id = 1; -- T1, BLOCKS
select * from test; -- T2. Still shows 1 => 10, 2 => 20
commit; -- T1. T2 now prints out "ERROR: no luck"
abort;  -- T2. There's nothing else we can do, this transaction has failed
select * from test; -- either. Returns nothing
```

Some "low level" stops Things (T1x) again:

```sql
begin; -- T1
abort; -- T1
```
"""
ANSWER = "id|value\n--+-----\n 1|   10\n 2|   20\n(2 rows)\n\n"


def transcript(shown: str = ANSWER, error: str = "ERROR:  no luck\n", left: str = "") -> str:
    return (
        "\nstarting permutation: s1 s2 s3 s4 s5 s6 s7\nstep s1: begin;\nstep s2: begin;\n"
        "step s3: update test set value = 11 where id = 1;\n"
        f"step s4: select * from test;\n{shown}step s5: commit;\nstep s6: commit;\n{error}"
        f"step s7: select * from test;\nid|value\n--+-----\n{left}(0 rows)\n\n"
    )


def test_a_script_becomes_a_spec() -> None:
    first, second = read_scripts(PAGE)
    assert (first.name, second.name) == ("T1x low level", "T1x low level (2)")
    spec = parse_spec(first.text)
    assert spec.tables() == ["test"]
    assert spec.permutations == [["s1", "s2", "s3", "s4", "s5", "s6", "s7"]]
    assert spec.session_named("T2").steps == {"s2": "begin;", "s4": "select * from test;", "s6": "commit;"}
    assert "s7" in spec.session_named("T1").steps
    assert parse_spec(second.text).session_named("T1").steps["s2"] == "abort;"


def test_claims_are_checked() -> None:
    script = read_scripts(PAGE)[0]
    assert script.is_right(transcript())
    assert not script.is_right(transcript(shown=ANSWER.replace("   10", "   11")))
    assert not script.is_right(transcript(shown=ANSWER.replace(" 2|   20\n", "")))
    assert not script.is_right(transcript(error=""))
    assert not script.is_right(transcript(error="ERROR:  something else\n"))
    assert not script.is_right(transcript(left=" 3|   30\n"))
    assert not script.is_right("setup failed")


@pytest.mark.parametrize("change", [("Setup", "Set up"), ("begin; -- T2", "begin;"), ("(T1x)", "")])
def test_a_page_that_is_not_as_known_is_refused(change: tuple[str, str]) -> None:
    with pytest.raises(ScriptError):
        read_scripts(PAGE.replace(*change))
