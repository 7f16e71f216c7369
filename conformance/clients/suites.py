"""The suites that drivers and frameworks bring along, and how each is pointed at a server.

Every suite is taken from its own source distribution, at the version named here, and runs by pytest, or by a program of
its own, in a virtual environment of its own.  What a suite needs of the server is made before it runs (`prepare`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

SCHEMAS = ("CREATE SCHEMA test_schema", "CREATE SCHEMA test_schema_2")
SUPERUSER = "CREATE ROLE postgres SUPERUSER LOGIN"
"""Some suites log in as postgres, come what may."""


class Server(Protocol):
    """Where a server listens: `support.postgres_server.Address`."""

    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def user(self) -> str: ...


Environment = Callable[[Server], Mapping[str, str]]


@dataclass(frozen=True)
class Suite:
    """One suite.

    `source` is what pip downloads; `requirements` go into the virtual environment, or None for this interpreter
    itself, which has Skerry.  `arguments` are pytest's, `{host}` and the like filled in; `python_path` is where in the
    source modules are looked for.
    """

    name: str
    title: str
    source: str
    requirements: tuple[str, ...] | None
    arguments: tuple[str, ...]
    environment: Environment
    prepare: tuple[str, ...] = ()
    prepare_test: tuple[str, ...] = ()
    """Statements for the database postgres, and for the database test that those have made."""
    python_path: str = ""
    program: str = ""
    """What is run in pytest's place, a file of the source."""
    timeout_s: int = 900
    case_timeout_s: int = 60
    files: tuple[str, ...] = ()
    """Files of `inside` to copy beside the suite's own."""
    compared_with: str = ""
    """The suite whose run in front of PostgreSQL counts, if this one can't run there; cases agree by function."""
    hidden: str = ""
    """A directory of the source that would stand before what is installed."""
    has_no_settings: bool = False
    """Whether the source says nothing to pytest."""
    is_reference: bool = False
    """Whether it is only there for others to be compared with."""
    server_options: Mapping[str, str] = field(default_factory=dict)
    """Settings for the PostgreSQL that is run to compare with."""


def libpq(server: Server) -> Mapping[str, str]:
    """The variables that libpq knows."""
    return {
        "PGHOST": server.host,
        "PGPORT": str(server.port),
        "PGUSER": server.user,
        "PGDATABASE": "postgres",
        "PGPASSWORD": "pw",
    }


def _psycopg2(server: Server) -> Mapping[str, str]:
    return {
        "PSYCOPG2_TESTDB": "psycopg2_test",
        "PSYCOPG2_TESTDB_HOST": server.host,
        "PSYCOPG2_TESTDB_PORT": str(server.port),
        "PSYCOPG2_TESTDB_USER": server.user,
    }


def _skerry(server: Server) -> Mapping[str, str]:
    return {"SKERRY_DBAPI20": f"skerry://{server.user}@{server.host}:{server.port}/postgres"}


def _nowhere(_server: Server) -> Mapping[str, str]:
    return {"SKERRY_DBAPI20": ""}


def _nothing(_server: Server) -> Mapping[str, str]:
    return {}


PSYCOPG2 = "psycopg2==2.9.13"
DJANGO = "django==5.2.19"
DJANGO_APPS = (
    *(
        "basic",
        "queries",
        "transactions",
        "schema",
        "introspection",
        "inspectdb",
        "migrations",
        "model_fields",
    ),
    *("aggregation", "annotations", "expressions", "select_for_update", "constraints", "db_functions"),
    *("aggregation_regress", "backends", "bulk_create", "composite_pk", "delete", "distinct_on_fields"),
    *("expressions_case", "expressions_window", "indexes", "lookup", "ordering", "raw_query", "timezones"),
    *("transaction_hooks", "update"),
)
"""Those that are about the database."""
SQLALCHEMY = "sqlalchemy==2.1.9"
DBURI = ("-p", "skerry_no_extensions", "--dburi", "postgresql+psycopg://{user}:pw@{host}:{port}/test")

SUITES = (
    Suite(
        "dbapi20-network",
        "dbapi20, `skerry` over the network",
        PSYCOPG2,
        None,
        ("dbapi20_skerry.py", "-W", "ignore::DeprecationWarning"),
        _skerry,
        python_path="tests",
        files=("dbapi20_skerry.py",),
        compared_with="dbapi20-psycopg2",
        has_no_settings=True,
    ),
    Suite(
        "dbapi20-embedded",
        "dbapi20, `skerry` embedded",
        PSYCOPG2,
        None,
        ("dbapi20_skerry.py", "-W", "ignore::DeprecationWarning"),
        _nowhere,
        python_path="tests",
        files=("dbapi20_skerry.py",),
        compared_with="dbapi20-psycopg2",
        has_no_settings=True,
    ),
    Suite(
        "dbapi20-psycopg2",
        "dbapi20, psycopg2",
        PSYCOPG2,
        ("psycopg2-binary==2.9.13", "pytest>=8"),
        ("tests/test_psycopg2_dbapi20.py", "-k", "not test_suite"),
        _psycopg2,
        is_reference=True,
        prepare=("CREATE DATABASE psycopg2_test",),
        server_options={"max_prepared_transactions": "20"},
        has_no_settings=True,
    ),
    Suite(
        "psycopg2",
        "psycopg2's own tests",
        PSYCOPG2,
        ("psycopg2-binary==2.9.13", "pytest>=8"),
        ("tests", "-k", "not test_suite"),
        _psycopg2,
        prepare=("CREATE DATABASE psycopg2_test",),
        server_options={"max_prepared_transactions": "20"},
        has_no_settings=True,
    ),
    Suite(
        "pg8000",
        "pg8000's own tests",
        "pg8000==1.31.6",
        ("pg8000==1.31.6", "pytest>=8", "pytest-mock", "pytest-benchmark", "pytz"),
        ("test", "--benchmark-disable"),
        libpq,
        prepare=(SUPERUSER,),
        server_options={"max_prepared_transactions": "20"},
        has_no_settings=True,
    ),
    Suite(
        "asyncpg",
        "asyncpg's own tests",
        "asyncpg==0.32.0",
        ("asyncpg==0.32.0", "pytest>=8", "distro"),
        ("tests",),
        libpq,
        prepare=(SUPERUSER,),
        hidden="asyncpg",
    ),
    Suite(
        "sqlalchemy-postgresql",
        "SQLAlchemy's test/dialect/postgresql and test/engine",
        SQLALCHEMY,
        (SQLALCHEMY, "psycopg[binary]>=3.2", "greenlet", "pytest>=8,<9", "tzdata"),
        ("test/dialect/postgresql", "test/engine", *DBURI),
        _nothing,
        prepare=("CREATE DATABASE test",),
        prepare_test=SCHEMAS,
        timeout_s=3600,
        case_timeout_s=120,
    ),
    Suite(
        "alembic",
        "Alembic's own tests",
        "alembic==1.20.1",
        ("alembic==1.20.1", "psycopg[binary]>=3.2", "pytest>=8,<9", "tzdata", "black"),
        ("tests", *DBURI),
        _nothing,
        prepare=("CREATE DATABASE test",),
        prepare_test=("CREATE SCHEMA test_schema",),
    ),
    Suite(
        "django",
        "Django's tests of the database layer",
        DJANGO,
        (
            "psycopg[binary]>=3.2",
            "asgiref>=3.8.1",
            "sqlparse>=0.3.1",
            "tzdata",
            "PyYAML",
            "jinja2",
            "Pillow",
            "black",
        ),
        ("--settings=skerry_django", "--parallel=1", "--noinput", "-v", "0", *DJANGO_APPS),
        libpq,
        python_path=".",
        program="tests/runtests.py",
        timeout_s=1800,
        case_timeout_s=120,
    ),
)


def suite_named(name: str) -> Suite:
    """The suite of that name.  Raises KeyError."""
    return {suite.name: suite for suite in SUITES}[name]
