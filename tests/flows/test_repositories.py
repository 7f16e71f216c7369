"""transaction_scope(), sessions and repositories: rows c1 to c9 of their semantics, and what follows of them, over Skerry
embedded and over the network, PostgreSQL and SQLite; blocking and, but for SQLite, on an event loop."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import create_engine, inspect, make_url, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.orm.exc import DetachedInstanceError
from support.builds import with_our_own
from support.engines import register_dialects
from support.postgres_server import Address
from support.repository_worlds import Account, Entry, Member, Place, ServiceWorld, in_world

from skerry import flow
from skerry.flow.orm import AsyncRepository, Repository, SessionFactory
from skerry_engine import errors

register_dialects()

WORLDS = {
    "embedded": ("skerry+embedded", True),
    "network": ("skerry", True),
    "postgresql": ("postgresql+psycopg", True),
    "sqlite": ("sqlite", True),
    "embedded async": ("skerry+async_embedded", False),
    "network async": ("skerry+async", False),
    "postgresql async": ("postgresql+psycopg", False),
    "postgresql asyncpg": ("postgresql+asyncpg", False),
}


@pytest.fixture(scope="module")
def places(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Place]]:
    """The databases, each made when it is first wanted."""
    made: dict[str, Place] = {}
    yield made
    for place in made.values():
        place.close()


def _url(kind: str, request: pytest.FixtureRequest) -> str:
    if kind in ("embedded", "sqlite"):
        path = request.getfixturevalue("tmp_path_factory").mktemp("services") / "data"
        return f"sqlite:///{path}" if kind == "sqlite" else f"skerry+embedded:///{path}"
    if kind == "network":
        server: Address = request.getfixturevalue("skerry_server")
        return f"skerry://{server.user}@{server.host}:{server.port}/postgres"
    postgres: Address = request.getfixturevalue("postgres")
    password = f":{postgres.password}" if postgres.password else ""
    return (
        f"postgresql+psycopg://{postgres.user}{password}@{postgres.host}:{postgres.port}/{postgres.database}"
    )


@pytest.fixture(params=with_our_own(list(WORLDS), ["embedded", "network"]))
def there(request: pytest.FixtureRequest, places: dict[str, Place]) -> ServiceWorld:
    """A database without rows; at the test's end no connection may be in use."""
    kind = request.param.split(" ")[0]
    if kind not in places:
        places[kind] = Place(make_url(_url(kind, request)))
    places[kind].clear()
    return ServiceWorld(places[kind], *WORLDS[request.param])


class Refused(Exception):
    """What a service raises."""


async def transfer(there: ServiceWorld, giver: int, taker: int, amount: int) -> None:
    """A service: two accounts and two entries, by two repositories, all or nothing."""
    async with there.scope():
        for id, change in ((taker, amount), (giver, -amount)):
            account = await there.accounts.get(id)
            await there.entries.create(account_id=id, amount=change)
            await there.accounts.update(id, balance=account.balance + change)


# --- rows c -----------------------------------------------------------------------------------------------------


@in_world
async def test_c1_a_clean_exit_commits(there: ServiceWorld) -> None:
    async with there.scope() as session:
        session.add(Account(owner="ada"))
        await session.flush()
        session.add(Account(owner="bob"))  # which the end flushes
        if not there.is_sqlite:  # whose readers would wait
            assert there.place.owners() == []
    assert there.place.owners() == ["ada", "bob"]


@pytest.mark.parametrize("kind", [Refused, KeyError, asyncio.CancelledError, KeyboardInterrupt])
@in_world
async def test_c2_an_exception_rolls_back_and_the_same_goes_on(
    there: ServiceWorld, kind: type[BaseException]
) -> None:
    raised = kind("why")
    caught: BaseException | None = None
    try:
        async with there.scope() as session:
            await there.accounts.create(owner="ada")
            session.add(Account(owner="bob"))
            raise raised
    except BaseException as problem:  # noqa: BLE001
        caught = problem
    assert caught is raised
    assert there.place.owners() == []
    assert there.database.in_use == 0


@in_world
async def test_c3_a_call_alone_commits_by_itself(there: ServiceWorld) -> None:
    made = await there.accounts.create(owner="ada", balance=5)
    assert there.place.balance("ada") == 5
    assert there.database.in_use == 0
    await there.accounts.update(made.id, balance=7)
    assert there.place.balance("ada") == 7
    assert await there.accounts.delete(made.id) is True
    assert there.place.owners() == []


@in_world
async def test_c4_an_update_of_a_missing_id_is_none(there: ServiceWorld) -> None:
    assert await there.accounts.update(-1, balance=7) is None
    assert await there.accounts.get(-1) is None
    assert await there.accounts.delete(-1) is False


@in_world
async def test_c5_a_service_is_all_or_nothing(there: ServiceWorld) -> None:
    ada = await there.accounts.create(owner="ada", balance=5)
    bob = await there.accounts.create(owner="bob")
    await transfer(there, ada.id, bob.id, 4)
    with pytest.raises(IntegrityError):
        await transfer(there, ada.id, bob.id, 2)  # bob has it already when ada's balance says no
    assert (there.place.balance("ada"), there.place.balance("bob"), there.place.entries()) == (1, 4, 2)


@in_world
async def test_c6_a_later_call_sees_the_earlier_row(there: ServiceWorld) -> None:
    async with there.scope():
        account = await there.accounts.create(owner="ada")
        assert account.id is not None
        await there.entries.create(account_id=account.id, amount=3)
        assert await there.accounts.get(account.id) is account
        assert [each.amount for each in await there.entries.filter(account_id=account.id)] == [3]


@in_world
async def test_c7_an_integrity_error_can_be_translated_outside_after_the_rollback(
    there: ServiceWorld,
) -> None:
    await there.accounts.create(owner="ada")

    async def register() -> None:
        try:
            async with there.scope():
                await there.accounts.create(owner="bob")
                await there.accounts.create(owner="ada")
        except IntegrityError as problem:
            assert there.database.in_use == 0
            assert there.place.owners() == ["ada"]
            raise Refused("taken") from problem

    with pytest.raises(Refused, match="taken"):
        await register()


@pytest.mark.parametrize(
    "name", ["commit", "rollback", "begin", "begin_nested", "close", "reset", "invalidate"]
)
@in_world
async def test_c8_the_scope_ends_the_transaction_and_nobody_else(there: ServiceWorld, name: str) -> None:
    async with there.scope() as session:
        await there.accounts.create(owner="ada")
        with pytest.raises(errors.InvalidTransactionState, match="transaction_scope"):
            await getattr(session, name)()
    assert there.place.owners() == ["ada"]


@in_world
async def test_c9_the_session_is_always_closed(there: ServiceWorld) -> None:
    async def fails() -> None:
        raise Refused("not yet")

    def fails_now() -> None:
        raise Refused("not yet")

    ended: list[Any] = []
    async with there.scope() as session:
        ended.append(session)
        await there.accounts.create(owner="ada")
    with pytest.raises(Refused):
        async with there.scope() as session:
            ended.append(session)
            await there.accounts.create(owner="bob")
            raise Refused
    with pytest.raises(Refused):  # a commit that is refused
        async with there.scope() as session:
            ended.append(session)
            await there.accounts.create(owner="bob")
            flow.current_scope().before_commit(fails_now if there.is_blocking else fails)  # type: ignore[union-attr]
    with pytest.raises(IntegrityError):  # a flush that fails at the end
        async with there.scope() as session:
            ended.append(session)
            session.add(Account(owner="ada"))
    for each in ended:
        assert there.database.in_use == 0
        with pytest.raises(errors.InvalidTransactionState, match="finished"):
            await each.execute(select(Account))
        with pytest.raises(errors.InvalidTransactionState, match="finished"):
            each.add(Account(owner="late"))
    assert there.place.owners() == ["ada"]


# --- joining ----------------------------------------------------------------------------------------------------


@in_world
async def test_a_call_that_fails_inside_a_scope_is_undone_alone(there: ServiceWorld) -> None:
    async with there.scope() as session:
        await there.accounts.create(owner="ada")
        with pytest.raises(IntegrityError):
            await there.accounts.create(owner="ada")
        session.add(Account(owner="bob"))
        with pytest.raises(IntegrityError):
            await there.accounts.create(owner="cid", balance=-1)
        await there.accounts.create(owner="dan")
        assert [each.owner for each in await there.accounts.list(order_by="owner")] == ["ada", "bob", "dan"]
    assert there.place.owners() == ["ada", "bob", "dan"]


@in_world
async def test_an_undone_block_is_undone_in_the_session_too(there: ServiceWorld) -> None:
    ada, bob = await there.accounts.create_many([{"owner": "ada"}, {"owner": "bob"}])
    async with there.scope() as session:
        first = await there.accounts.get(ada.id)
        second = await there.accounts.get(bob.id)
        first.balance = 1  # before the block, and not yet written
        with pytest.raises(Refused):
            async with there.scope() as same:
                assert getattr(same, "_inner", same) is getattr(session, "_inner", session)
                first.balance = 2
                await same.delete(second)
                same.add(pending := Account(owner="cid"))
                flushed = await there.accounts.create(owner="dan")
                raise Refused
        assert inspect(pending).transient and inspect(flushed).transient
        await session.refresh(second)
        assert (await there.accounts.get(ada.id)).balance == 1
        assert await there.accounts.count() == 2
    assert there.place.balance("ada") == 1
    assert there.place.owners() == ["ada", "bob"]


@in_world
async def test_what_a_scope_has_open_is_shared_by_statements_blocks_and_repositories(
    there: ServiceWorld,
) -> None:
    with pytest.raises(Refused):
        async with there.database.transaction():
            await there.database.execute(
                "INSERT INTO account (owner, balance, changes) VALUES (%s, 1, 0)", ("ada",)
            )
            found = (await there.accounts.filter(owner="ada"))[0]
            found.balance = 2
            with pytest.raises(KeyError):
                async with there.database.transaction():
                    found.balance = 3
                    raise KeyError
            await there.factory.session.refresh(found)
            assert found.balance == 2
            assert there.database.in_use == 1
            raise Refused
    assert there.place.owners() == []


@in_world
async def test_stages_and_repositories_share_one_transaction(there: ServiceWorld) -> None:
    if there.is_blocking:

        @flow.stage(tx=True)
        def load(owner: str) -> None:
            Repository.create(there.accounts._inner, owner=owner)

        @flow.stage
        def commit() -> None:
            pass

        @flow.flow(there.plain_database)
        def load_all(owners: list[str], commits: bool) -> None:
            for owner in owners:
                load(owner)
            if commits:
                commit()
            raise Refused

    else:

        @flow.stage(tx=True)
        async def load(owner: str) -> None:
            await AsyncRepository.create(there.accounts, owner=owner)

        @flow.stage
        async def commit() -> None:
            pass

        @flow.flow(there.plain_database)
        async def load_all(owners: list[str], commits: bool) -> None:
            for owner in owners:
                await load(owner)
            if commits:
                await commit()
            raise Refused

    for commits, seen in ((False, []), (True, ["ada", "bob"])):
        with pytest.raises(flow.FlowError):
            done: Any = load_all(["ada", "bob"], commits)
            if not there.is_blocking:
                await done
        assert there.place.owners() == seen
        assert there.database.in_use == 0


@in_world
async def test_without_a_savepoint_a_failure_dooms_the_whole(there: ServiceWorld) -> None:
    with pytest.raises(errors.InFailedTransaction):
        async with there.scope():
            await there.accounts.create(owner="ada")
            with pytest.raises(Refused):
                async with there.scope(savepoint=False):
                    raise Refused
    assert there.place.owners() == []


@pytest.mark.parametrize("is_nested", [False, True])
@in_world
async def test_a_flush_that_failed_is_not_committed_by_accident(there: ServiceWorld, is_nested: bool) -> None:
    await there.accounts.create(owner="ada")

    async def swallow() -> None:
        async with there.scope() as session:
            session.add_all([Account(owner="aaa"), Account(owner="ada")])
            with pytest.raises(IntegrityError):
                await session.flush()

    if not is_nested:
        with pytest.raises(errors.InFailedTransaction):
            await swallow()
        assert there.place.owners() == ["ada"]
        return
    async with there.scope():
        await there.accounts.create(owner="bob")
        with pytest.raises(errors.InFailedTransaction):
            await swallow()
        await there.accounts.create(owner="cid")
    assert there.place.owners() == ["ada", "bob", "cid"]


@in_world
async def test_a_transaction_that_has_failed_is_not_committed_in_silence(there: ServiceWorld) -> None:
    async def swallow() -> None:
        async with there.scope() as session:
            await there.accounts.create(owner="ada")
            with pytest.raises(DBAPIError):
                await session.execute(text("SELECT * FROM nowhere"))

    if there.is_sqlite:  # where a statement that fails leaves the transaction as it is
        await swallow()
        assert there.place.owners() == ["ada"]
        return
    with pytest.raises(DBAPIError):
        await swallow()
    assert there.place.owners() == []


@in_world
async def test_two_tasks_can_not_share_a_transaction(there: ServiceWorld) -> None:
    if there.is_blocking:
        return
    with pytest.raises(flow.ConcurrentUse):
        async with there.scope():
            await asyncio.gather(*[there.accounts.create(owner=f"a{n}") for n in range(3)])
    assert there.place.owners() == []


@in_world
async def test_a_task_that_is_cancelled_gives_its_connection_back(there: ServiceWorld) -> None:
    if there.is_blocking:
        return
    started = asyncio.Event()

    async def serve() -> None:
        async with there.scope() as session:
            await there.accounts.create(owner="ada")
            started.set()
            await session.execute(text("SELECT pg_sleep(30)"))

    task = asyncio.create_task(serve())
    await started.wait()
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (there.database.in_use, there.checked_out) == (0, 0)
    assert there.place.owners() == []


# --- modes, hooks -----------------------------------------------------------------------------------------------


@in_world
async def test_modes_are_in_force_and_end_with_the_transaction(there: ServiceWorld) -> None:
    if there.is_sqlite:
        with pytest.raises(errors.NotSupportedError):
            there.scope(read_only=True)
        await there.accounts.create(owner="ada")
        with (
            there.engine.connect() as connection
        ):  # the pool's next user, whose transactions roll back as ever
            connection.execute(text("DELETE FROM account"))
            connection.rollback()
        assert there.place.owners() == ["ada"]
        return
    show = text("SHOW transaction_isolation")
    async with there.scope() as session:
        before = await session.scalar(show)
    assert before in ("repeatable read", "snapshot")
    for level in ("serializable", "READ_COMMITTED"):
        async with there.scope(level) as session:
            assert await session.scalar(show) == level.lower().replace("_", " ")
            with pytest.raises(errors.InvalidTransactionState, match="can't join"):
                async with there.scope("snapshot"):
                    pass
    with pytest.raises(DBAPIError, match="read-only"):
        async with there.scope(read_only=True):
            await there.accounts.create(owner="ada")
    with pytest.raises(errors.InterfaceError, match="BANANA"):
        there.scope("BANANA")
    assert await _settings(there) == ["read committed", "off"]


async def _settings(there: ServiceWorld) -> list[object]:
    """What an ordinary user of the engine finds set."""
    shown = [text("SHOW transaction_isolation"), text("SHOW transaction_read_only")]
    if there.is_blocking:
        with there.engine.connect() as connection:
            return [connection.scalar(each) for each in shown]
    async with there.engine.connect() as connection:
        return [await connection.scalar(each) for each in shown]


async def _idle(there: ServiceWorld, seconds: float) -> None:
    """Wait; a blocking there's deadlines come in threads of their own."""
    time.sleep(seconds) if there.is_blocking else await asyncio.sleep(seconds)


@in_world
async def test_a_deadline_rolls_back_and_frees_the_connection(there: ServiceWorld) -> None:
    with pytest.raises(errors.TransactionTimeout):
        async with there.scope(timeout=0.3) as session:
            await there.accounts.create(owner="ada")
            given_up_s = time.monotonic() + 20
            while there.database.in_use and time.monotonic() < given_up_s:
                await _idle(there, 0.02)
            assert there.database.in_use == 0
            with pytest.raises(errors.TransactionTimeout):
                session.add(Account(owner="bob"))
            with pytest.raises(errors.TransactionTimeout):
                await there.accounts.create(owner="bob")
    assert there.place.owners() == []


SLOW = {
    True: "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000000) SELECT max(i) FROM n",
    False: "SELECT pg_sleep(30)",
}


@in_world
async def test_a_deadline_may_come_inside_nested_blocks(there: ServiceWorld) -> None:
    with pytest.raises(errors.TransactionTimeout):
        async with there.scope(timeout=0.1), there.scope():
            await there.accounts.create(owner="ada")
            with pytest.raises(Refused):
                async with there.scope():
                    await _idle(there, 0.2)
                    raise Refused
    assert there.place.owners() == []


@in_world
async def test_a_deadline_ends_the_statement_that_runs(there: ServiceWorld) -> None:
    started_s = time.monotonic()
    with pytest.raises(errors.TransactionTimeout) as caught:
        async with there.scope(timeout=0.2) as session:
            await there.accounts.create(owner="ada")
            await session.scalar(text(SLOW[there.is_sqlite]))
    assert caught.value.code == "T002"
    await there.accounts.create(owner="ada")  # which would wait for the other one, if that were there still
    assert time.monotonic() - started_s < 10
    assert there.database.in_use == 0


@in_world
async def test_a_stage_that_is_tried_again_has_a_new_session(there: ServiceWorld) -> None:
    attempts: list[str] = []

    def begin() -> Any:
        attempts.append(f"a{len(attempts)}")
        there.plain_factory.session.add(Account(owner=attempts[-1]))

    def end() -> None:
        if len(attempts) < 3:
            raise Refused

    if there.is_blocking:

        @flow.stage(tx=True, retries=3, retry_on=(Refused,))
        def register() -> None:
            with there.plain_factory.transaction_scope():
                begin()
            end()

        register()
    else:

        @flow.stage(tx=True, retries=3, retry_on=(Refused,))
        async def register() -> None:
            async with there.plain_factory.transaction_scope():
                begin()
            end()

        await register()
    assert there.place.owners() == ["a2"]


@in_world
async def test_a_database_that_is_kept_out_has_transactions_of_its_own(there: ServiceWorld) -> None:
    if there.is_blocking:
        other = there._named(flow.open(":memory:"))
    else:
        other = await flow.open_async(":memory:")
    with pytest.raises(Refused):
        async with other.transaction():
            flow.no_tx(there.plain_database)
            await there.accounts.create(owner="ada")
            assert there.place.owners() == ["ada"]
            with pytest.raises(errors.InterfaceError, match="needs an active transaction"):
                _ = there.factory.session
            raise Refused
    await other.close()
    assert there.place.owners() == ["ada"]


@in_world
async def test_several_databases_commit_together_or_not_at_all(there: ServiceWorld) -> None:
    class Failing:
        async def commit(self) -> None:
            raise Refused

    class FailingNow:
        def commit(self) -> None:
            raise Refused

    second = there._named(
        flow.open(there.engine, name="second") if there.is_blocking else await flow.open_async(there.engine)
    )
    if there.is_sqlite:
        return  # which has one writer at a time
    last: Any = (
        flow.resource("last", FailingNow)
        if there.is_blocking
        else flow.resource("last", Failing, is_async=True)
    )
    insert = "INSERT INTO account (owner, balance, changes) VALUES (%s, 0, 0)"

    async def write(fails: bool) -> None:
        async with there.scope():
            await there.accounts.create(owner="ada")
            await second.execute(insert, ["bob"])
            if fails and there.is_blocking:
                with last.use():
                    pass
            elif fails:
                async with last.use():
                    pass

    with pytest.raises(Refused):
        await write(True)
    assert (there.place.owners(), there.database.in_use, second.in_use) == ([], 0, 0)
    await write(False)
    assert (there.place.owners(), there.database.in_use, second.in_use) == (["ada", "bob"], 0, 0)
    with pytest.raises(IntegrityError):
        await write(False)
    assert there.place.owners() == ["ada", "bob"]


@in_world
async def test_hooks_are_called_after_the_commit_or_the_rollback_of_what_they_belong_to(
    there: ServiceWorld,
) -> None:
    called: list[Any] = []

    def note(what: str) -> Any:
        def hook() -> None:
            called.append((what, there.place.owners(), there.database.in_use))

        async def later() -> None:
            hook()

        return hook if there.is_blocking else later

    async with there.scope():
        await there.accounts.create(owner="ada")
        there.factory.on_commit(note("commit"))
        there.factory.on_rollback(note("never"))
        with pytest.raises(Refused):
            async with there.scope():
                there.factory.on_commit(note("never"))
                there.factory.on_rollback(lambda: called.append("undone"))
                raise Refused
        assert called == ["undone"]
    assert called == ["undone", ("commit", ["ada"], 0)]
    called.clear()
    with pytest.raises(Refused):
        async with there.scope():
            await there.accounts.create(owner="bob")
            there.factory.on_commit(note("never"))
            there.factory.on_rollback(note("rollback"))
            raise Refused
    assert called == [("rollback", ["ada"], 0)]
    for register in (there.factory.on_commit, there.factory.on_rollback):
        with pytest.raises(errors.InterfaceError, match="needs an active transaction"):
            register(note("never"))
    with pytest.raises(errors.InterfaceError, match="needs an active transaction"):
        _ = there.factory.session


@in_world
async def test_what_hooks_add_before_a_commit_is_committed(there: ServiceWorld) -> None:
    async with there.scope() as session:
        await there.accounts.create(owner="ada")
        flow.current_scope().before_commit(lambda: session.add(Account(owner="bob")))  # type: ignore[union-attr]
    assert there.place.owners() == ["ada", "bob"]


# --- repositories -----------------------------------------------------------------------------------------------


@in_world
async def test_objects_may_be_used_after_the_transaction(there: ServiceWorld) -> None:
    ada = await there.accounts.create(owner="ada")
    assert (ada.balance, ada.state, ada.changes) == (0, "open", 0)  # defaults of Python and of the database
    ada = await there.accounts.update(ada.id, note="new")
    assert (ada.note, ada.changes) == ("new", 1)  # and what the database computes
    with pytest.raises(DetachedInstanceError):
        _ = ada.entries
    made: Any = None
    with pytest.raises(Refused):
        async with there.scope():
            made = await there.accounts.create(owner="bob")
            raise Refused
    assert inspect(made).transient


@in_world
async def test_lists_filters_and_counts(there: ServiceWorld) -> None:
    made = await there.accounts.create_many(
        {"owner": owner, "balance": balance, "note": note}
        for owner, balance, note in (("cid", 3, None), ("ada", 1, "x"), ("bob", 3, "y"))
    )

    async def owners(**options: Any) -> list[str]:
        return [each.owner for each in await there.accounts.list(**options)]

    assert await owners() == ["cid", "ada", "bob"]
    assert await owners(order_by="owner") == ["ada", "bob", "cid"]
    assert await owners(order_by=["-balance", Account.owner.desc()]) == ["cid", "bob", "ada"]
    assert await owners(order_by="owner", limit=1, offset=1) == ["bob"]
    assert [each.owner for each in await there.accounts.filter(balance=3, note=None)] == ["cid"]
    assert [each.owner for each in await there.accounts.filter(Account.balance < 3)] == ["ada"]
    assert await there.accounts.count() == 3
    assert await there.accounts.count(Account.balance > 1, note="y") == 1
    assert (await there.accounts.exists(owner="ada"), await there.accounts.exists(owner="eve")) == (
        True,
        False,
    )
    assert (await there.accounts.get(made[1].id)).owner == "ada"
    for wrong in (
        lambda: there.accounts.create(nmae="x"),
        lambda: there.accounts.update(made[0].id, nmae="x"),
        lambda: there.accounts.filter(nmae="x"),
        lambda: there.accounts.list(order_by="nmae"),
    ):
        with pytest.raises(TypeError, match="nmae"):
            await wrong()


@in_world
async def test_keys_of_several_columns_and_what_cascades(there: ServiceWorld) -> None:
    await there.members.create(club="chess", number=2, name="ada")
    await there.members.create(club="chess", number=1, name="bob")
    assert [each.name for each in await there.members.list()] == ["bob", "ada"]
    assert (await there.members.get(("chess", 2))).name == "ada"
    assert (await there.members.update({"club": "chess", "number": 2}, name="Ada")).name == "Ada"
    assert await there.members.delete(("chess", 1)) is True
    assert await there.members.exists(Member.number == 1) is False
    account = await there.accounts.create(owner="ada", entries=[Entry(amount=1), Entry(amount=2)])
    assert there.place.entries() == 2
    assert await there.accounts.delete(account.id) is True
    assert there.place.entries() == 0


def test_a_repository_needs_a_model_and_an_engine() -> None:
    engine = create_engine("sqlite://")
    with pytest.raises(errors.InterfaceError, match="needs a model"):
        Repository(SessionFactory(engine))
    with (
        flow.open(":memory:") as database,
        pytest.raises(errors.InterfaceError, match="engine of SQLAlchemy"),
    ):
        SessionFactory(database)
    engine.dispose()


# --- any nesting ------------------------------------------------------------------------------------------------


class _Note(DeclarativeBase):
    pass


class Number(_Note):
    """Something to change."""

    __tablename__ = "number"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    value: Mapped[int]


class Numbers(Repository[Number]):
    pass


class _Undo(Exception):
    pass


@pytest.mark.parametrize("url", ["skerry+embedded://", "sqlite"])
def test_after_any_nesting_of_blocks_session_and_database_agree(url: str, tmp_path: Any) -> None:
    engine = create_engine(url if "://" in url else f"sqlite:///{tmp_path}/numbers")
    _Note.metadata.create_all(engine)
    database = flow.open(engine)
    factory = SessionFactory(database)
    for seed in range(30):
        draw = random.Random(seed)
        with factory.transaction_scope() as session:
            session.execute(Number.__table__.delete())
        expected: dict[int, int] = {}
        try:
            with factory.transaction_scope() as session:
                _random_block(draw, database, factory, Numbers(factory), expected, 0)
                if draw.random() < 0.2:
                    raise _Undo
        except _Undo:
            expected = {}
        with factory.transaction_scope() as session:
            assert {each.id: each.value for each in session.scalars(select(Number))} == expected, seed
        assert database.in_use == 0
    engine.dispose()


def _random_block(
    draw: random.Random,
    database: flow.FlowDatabase,
    factory: SessionFactory,
    numbers: Repository[Number],
    expected: dict[int, int],
    depth: int,
) -> None:
    """Some changes, in ways that write at once or later, and blocks inside that stay or are undone."""
    session = factory.session
    for _ in range(draw.randint(1, 5)):
        id, value = draw.randint(1, 4), draw.randint(0, 99)
        way = draw.randint(0, 6)
        if way == 0 and id not in expected:
            session.add(Number(id=id, value=value))
            session.flush() if draw.random() < 0.5 else None
            expected[id] = value
        elif way == 1 and id in expected:
            found = session.get(Number, id)
            assert found is not None and found.value == expected[id]
            found.value = value
            expected[id] = value
        elif way == 2 and id in expected:
            session.delete(session.get_one(Number, id))
            session.flush() if draw.random() < 0.5 else None
            del expected[id]
        elif way == 3:
            updated = numbers.update(id, value=value)
            assert (updated is None) == (id not in expected)
            if updated is not None:
                expected[id] = value
        elif way == 4 and id in expected:
            with pytest.raises(IntegrityError), factory.transaction_scope():
                session.expunge(session.get_one(Number, id))
                session.add(Number(id=id, value=value))
        elif depth < 3:
            saved = dict(expected)
            block: Any = factory.transaction_scope() if draw.random() < 0.5 else database.transaction()
            try:
                with block:
                    _random_block(draw, database, factory, numbers, expected, depth + 1)
                    if draw.random() < 0.5:
                        raise _Undo
            except _Undo:
                expected.clear()
                expected.update(saved)
        assert {each.id: each.value for each in numbers.list()} == expected
