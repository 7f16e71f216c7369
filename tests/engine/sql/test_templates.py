"""A text that is recognised by its template is what reading it in full makes of it."""

from __future__ import annotations

import random
import re

import pytest
from support.sessions import SqlDatabase

from skerry_engine.errors import DatabaseError
from skerry_engine.sql.front import parse_batch
from skerry_engine.sql.statements import Query
from skerry_engine.sql.templates import Templates

TEMPLATES = [
    "select v from t where id = 5",
    "select v from t where id=5;",
    "update t set v = v + -5 where id = 17",
    "update t set v=v+5-6*7 where id in (1, 2, 3)",
    "insert into t (id, v) values (1, 2), (3, 4)",
    "select a[1], b[2:3] from t where x between 1 and 10",
    "select case when a > 1 then 2 else 3 end from t /* no number */",
    'select "a b" from t where c = 5 -- nothing',
    "select count(*) from t where a = 007",
    "select * from t where a > 1 order by b + 2",
]
OTHERS = [
    "select v::varchar(10) from t where id = 5",
    "select v from t where id = 5 limit 3",
    "select v, w from t where id = 5 order by 1",
    "select v from t where id = 5 -- 6",
    "select v from t /* 6 */ where id = 5",
    'select "a 5" from t where id = 6',
    "select $$ 5 $$ from t where id = 6",
    "select $5$ from t",
    "select v from t where name = 'x' and id = 5",
    "select v from t where id = 1234567890",
    "select v from t where id = 5 and w = 1.5",
    "select v from t where id = 5 and w = .5",
    "select v from t where id = 5 and w = 1e5",
    "select v from t5 where id = $1",
    "select v from t where id = 5 group by v",
    "select distinct v from t where id = 5",
    "select v from t where id in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10)",
    "select 5\u20ac from t",
    "select \u20ac5 from t where id = 6",
    "select v from t where id = 5 \x00",
    "begin; select 5",
    "vacuum 5",
]


def renumbered(text: str, source: random.Random) -> str:
    """The text with other digits in place of its own, of which there may be more or fewer."""
    return re.sub(r"\d+", lambda _: str(source.randrange(10 ** source.randrange(1, 14))), text)


def read_in_full(text: str) -> object:
    """Key, literals and verb of the only statement in a text; what is wrong with it; None for another statement."""
    try:
        batch = parse_batch(text)
    except DatabaseError as error:
        return str(error)
    if len(batch) != 1 or not isinstance(batch[0][0], Query):
        return None
    return facts(batch[0][0])


def facts(query: Query) -> object:
    return query.normalised.key, query.normalised.literals, query.normalised.lists, query.verb


def learned(*texts: str) -> Templates:
    templates = Templates()
    for text in texts:
        try:
            batch = parse_batch(text)
        except DatabaseError:
            continue
        if len(batch) == 1:
            templates.learn(text, batch[0][0])
    return templates


@pytest.mark.parametrize("text", TEMPLATES)
def test_what_differs_in_numbers_is_recognised(text: str) -> None:
    assert learned().recognised(text) is None
    templates = learned(text)
    other = re.sub(r"\b\d+", "123456789", text)
    found = templates.recognised(other)
    assert found is not None
    assert facts(found) == read_in_full(other)


@pytest.mark.parametrize("text", OTHERS)
def test_what_is_more_than_numbers_is_not_recognised(text: str) -> None:
    assert learned(text).recognised(text) is None


def test_a_recognised_text_is_what_reading_it_makes_of_it() -> None:
    source = random.Random(7)
    texts = TEMPLATES + OTHERS
    templates = learned(*texts, *(renumbered(source.choice(texts), source) for _ in range(200)))
    recognised = 0
    for _ in range(3000):
        text = renumbered(source.choice(texts), source)
        found = templates.recognised(text)
        if found is not None:
            recognised += 1
            assert facts(found) == read_in_full(text)
    assert recognised > 300


def test_sessions_answer_recognised_texts_with_their_own_numbers() -> None:
    session = SqlDatabase("create table t (id int primary key, v int)").session()
    for number in range(1, 6):
        assert session.lines(f"insert into t values ({number}, {number * 10})") == ["INSERT 0 1"]
    for number in range(1, 6):
        assert session.rows(f"select v from t where id = {number}") == [(number * 10,)]
    session.run_all("alter table t add w int default 7")
    assert session.rows("select v from t where id = 3") == [(30,)]
    session.run_all("drop table t")
    with pytest.raises(DatabaseError, match='"t" does not exist'):
        session.rows("select v from t where id = 4")


GQL_TEXTS = (
    "MATCH (n:Person {{id: {0}}}) RETURN n.age + {1}",
    "INSERT (:A {{x: {0}, y: [{1}, 3]}})",
    "MATCH (a)-[e]->(b WHERE b.x<-{0}) WHERE a.y > {1} RETURN a",
    "MATCH (n) RETURN n.x / {0} - {1}",
)


@pytest.mark.parametrize("form", GQL_TEXTS)
def test_gql_texts_that_differ_in_numbers_are_recognised(form: str) -> None:
    from skerry_engine.gql.front import parse_batch

    templates = Templates()
    text = form.format(1, 2)
    templates.learn(text, parse_batch(text)[0][0])
    for numbers in ((1, 2), (999999999, 0), (7, 7)):
        text = form.format(*numbers)
        ((read, _),) = parse_batch(text)
        found = templates.recognised(text)
        assert isinstance(read, Query) and found is not None
        assert found.normalised.language == "gql"
        assert (found.normalised.key, found.normalised.literals, found.verb) == (
            read.normalised.key,
            read.normalised.literals,
            read.verb,
        )


@pytest.mark.parametrize(
    "form",
    (
        "MATCH (a)-[e]->{{{0},3}}(b) RETURN a",
        "MATCH (n) RETURN n LIMIT {0}",
        "MATCH (n) RETURN n.x + {0} ORDER BY n.x + {0}",
        'MATCH (n {{x: "a {0}"}}) RETURN n',
        "RETURN $1 + {0} AS `x {0}`",
        "RETURN {0} // {0}",
    ),
)
def test_numbers_of_gql_that_are_no_literals_make_no_template(form: str) -> None:
    from skerry_engine.gql.front import parse_batch

    templates = Templates()
    text = form.format(2)
    templates.learn(text, parse_batch(text)[0][0])
    assert templates.recognised(form.format(3)) is None
