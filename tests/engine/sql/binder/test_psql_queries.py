"""psql's catalog queries, as captured, are queries like any other:
written differently they give the same rows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from support.postgres_server import Address
from support.query_rewriting import rewrite
from support.query_runs import TextRow, lifted_rows
from support.sessions import SqlDatabase, SqlSession
from support.wire_client import WireClient

QUERIES = [
    text
    for text in (Path(__file__).parents[3] / "data" / "psql_queries.sql")
    .read_text(encoding="utf-8")
    .split("\n\n")
    if not text.startswith("--")
]
OBJECTS = """
create schema app;
create table plain (id integer primary key, name text not null, price numeric(10,2) default 0, created timestamptz default now());
create table author (id bigint generated always as identity primary key, name varchar(100) not null, email text unique, tags text[], meta jsonb, u uuid);
create table book (id serial primary key, author_id bigint not null references author(id) on delete cascade, title text not null, pages int, price numeric(10,2) check (price >= 0), pub date, blob bytea, flag boolean default false, dbl double precision, unique (author_id, title));
create index book_lower on book (lower(title));
create index book_part on book (pub desc) where flag;
comment on table book is 'a book';
comment on column book.title is 'its title';
create view book_v as select b.id, b.title, a.name from book b join author a on a.id = b.author_id;
create table app.t2 (a int, b int, primary key (a, b));
create sequence app.sq
"""
OID = re.compile(r"\{oid:([\w.]+)\}")


@pytest.fixture(scope="module")
def session() -> SqlSession:
    return SqlDatabase(*OBJECTS.split(";\n")).session()


@pytest.fixture(scope="module")
def postgres_client(postgres: Address) -> Iterator[WireClient]:
    """PostgreSQL with the same objects in a database of their own."""
    with closing(WireClient(postgres)) as admin:
        admin.query("drop database if exists psql_queries")
        assert admin.query("create database psql_queries").error is None
        with closing(WireClient(postgres, "psql_queries")) as client:
            for text in OBJECTS.split(";\n"):
                assert client.query(text).error is None, text
            yield client
        admin.query("drop database psql_queries")


def with_oids(session: SqlSession, text: str) -> str:
    """The query about our own relations."""
    return OID.sub(
        lambda match: lifted_rows(session, f"select '{match[1]}'::regclass::oid")[0][0] or "", text
    )


def reordered(rows: list[TextRow], order: list[int]) -> list[TextRow]:
    """Rows with their columns as the rewritten query has them, sorted."""
    return sorted([tuple([row[n] for n in order]) if order else row for row in rows], key=repr)


@pytest.mark.parametrize("query", QUERIES, ids=range(len(QUERIES)))
def test_written_differently_the_rows_are_the_same(session: SqlSession, query: str) -> None:
    text = with_oids(session, query)
    other = rewrite(text)
    assert other.text != text
    expected = reordered(lifted_rows(session, text), other.order)
    assert sorted(lifted_rows(session, other.text), key=repr) == expected


def test_the_rewriting_is_right(postgres_client: WireClient) -> None:
    """PostgreSQL takes what the rewriting made, and gives the same rows for it."""
    for query in QUERIES:
        text = OID.sub(lambda match: postgres_oid(postgres_client, match[1]), query)
        other = rewrite(text)
        plain, rewritten = postgres_client.query(text), postgres_client.query(other.text)
        assert plain.error is None, (text, plain.error)
        assert rewritten.error is None, (other.text, rewritten.error)
        assert sorted(rewritten.rows, key=repr) == reordered(plain.rows, other.order), other.text


def postgres_oid(client: WireClient, name: str) -> str:
    return client.query(f"select '{name}'::regclass::oid").rows[0][0] or ""


def test_most_queries_change_in_every_way() -> None:
    rewritten = [rewrite(query) for query in QUERIES]
    assert sum("_other." in other.text for other in rewritten) > len(QUERIES) * 0.8
    assert sum(bool(other.order) for other in rewritten) > len(QUERIES) * 0.6
