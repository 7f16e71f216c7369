"""The lock table on its own: modes, queues, timeouts, cancelling, deadlocks across threads, unwinding."""

from __future__ import annotations

import time

import pytest

from skerry_engine.errors import DeadlockDetected, LockTimeout, QueryCanceled
from skerry_engine.txn.advisory import SessionAdvisoryLocks, lock_in_transaction, try_lock_in_transaction
from skerry_engine.txn.locks import TABLE, Holder, LockRequest, LockTable, LockWait, Owner
from skerry_engine.txn.modes import ACCESS_EXCLUSIVE, ACCESS_SHARE, CONFLICTS, ROW_EXCLUSIVE, SHARE

# PostgreSQL's documented table of conflicts, rows and columns in the order of the modes.
TABLE_CONFLICTS = """
.......X
......XX
....XXXX
...XXXXX
..XX.XXX
..XXXXXX
.XXXXXXX
XXXXXXXX
""".split()


def test_table_modes_conflict_as_in_postgresql() -> None:
    for mode, line in enumerate(TABLE_CONFLICTS):
        assert [CONFLICTS[mode] >> other & 1 for other in range(8)] == [int(mark == "X") for mark in line]


def test_row_modes_conflict_as_in_postgresql() -> None:
    shown = ["".join(".X"[CONFLICTS[8 + mode] >> 8 + other & 1] for other in range(4)) for mode in range(4)]
    assert shown == ["...X", "..XX", ".XXX", "XXXX"]


class Locker:
    """An owner with a holder, for short tests."""

    def __init__(self, table: LockTable, process_id: int, thread_id: int = 0) -> None:
        self.table = table
        self.owner = Owner(process_id, thread_id)
        self.holder = Holder(self.owner, process_id + 100)

    def lock(self, resource: int, mode: int = ACCESS_EXCLUSIVE) -> LockRequest | None:
        """Lock a table; the request if it must wait."""
        try:
            self.table.acquire(self.table.tables, TABLE, resource, mode, self.holder)
        except LockWait as wait:
            return wait.request
        return None

    def release(self) -> None:
        self.table.release_all(self.holder)


@pytest.fixture
def table() -> LockTable:
    return LockTable()


def test_a_granted_request_is_in_hand_before_the_call_is_made_again(table: LockTable) -> None:
    one, two, three = (Locker(table, number) for number in (1, 2, 3))
    assert one.lock(5) is None
    request = two.lock(5)
    assert request is not None and not request.is_over()
    told: list[str] = []
    request.on_over(lambda: told.append("over"))
    one.release()
    assert request.is_over() and told == ["over"]
    request.on_over(lambda: told.append("late"))
    assert told == ["over", "late"]
    assert three.lock(5) is not None
    assert two.lock(5) is None


def test_readers_do_not_overtake_a_waiting_writer(table: LockTable) -> None:
    one, two, three = (Locker(table, number) for number in (1, 2, 3))
    one.lock(5, ACCESS_SHARE)
    assert two.lock(5, ACCESS_EXCLUSIVE) is not None
    waiting = three.lock(5, ACCESS_SHARE)
    assert waiting is not None
    assert one.lock(5, SHARE) is None, "who holds something goes to the front"
    one.release()
    assert not waiting.is_over()
    two.release()
    assert waiting.is_over()


def test_nothing_is_left_when_all_let_go(table: LockTable) -> None:
    lockers = [Locker(table, number) for number in range(1, 6)]
    for locker in lockers:
        locker.lock(5, ACCESS_SHARE)
        locker.lock(6, ROW_EXCLUSIVE)
    for locker in lockers[1:] + lockers[:1]:
        locker.release()
    assert not list(table.all_locks())


def test_lock_timeout(table: LockTable) -> None:
    one, two, three = (Locker(table, number) for number in (1, 2, 3))
    two.owner.lock_timeout_ms = 10
    one.lock(5)
    request = two.lock(5)
    assert request is not None
    deadline = request.deadline_s()
    assert deadline is not None and deadline <= time.monotonic() + 0.011
    third = three.lock(5, ACCESS_SHARE)
    assert third is not None and third.deadline_s() is None
    time.sleep(0.012)
    assert request.is_over()
    with pytest.raises(LockTimeout, match="canceling statement due to lock timeout"):
        two.lock(5)
    one.release()
    assert third.is_over()


def test_a_cancelled_wait_raises_and_leaves_the_queue(table: LockTable) -> None:
    one, two, three = (Locker(table, number) for number in (1, 2, 3))
    one.lock(5, ACCESS_SHARE)
    request = two.lock(5)
    third = three.lock(5, ACCESS_SHARE)
    two.owner.cancel()
    assert request is not None and request.is_over()
    assert third is not None and third.is_over(), "nothing is ahead of it any more"
    with pytest.raises(QueryCanceled, match="canceling statement due to user request"):
        two.lock(5)
    assert two.lock(5) is not None, "the next try waits anew"


def test_an_abandoned_wait_is_never_granted(table: LockTable) -> None:
    one, two = Locker(table, 1), Locker(table, 2)
    one.lock(5)
    two.lock(5)
    table.abandon_wait(two.owner)
    one.release()
    assert not list(table.all_locks())


def test_a_deadlock_is_found_when_it_closes(table: LockTable) -> None:
    one, two = Locker(table, 1), Locker(table, 2)
    one.lock(5)
    two.lock(6)
    assert one.lock(6) is not None
    with pytest.raises(DeadlockDetected) as caught:
        two.lock(5)
    assert caught.value.detail == (
        "Process 2 waits for AccessExclusiveLock on relation 5 of database 0; blocked by process 1.\n"
        "Process 1 waits for AccessExclusiveLock on relation 6 of database 0; blocked by process 2."
    )
    two.release()
    assert one.lock(6) is None


def test_a_circle_through_a_queue_is_opened_by_passing(table: LockTable) -> None:
    one, two, three = (Locker(table, number) for number in (1, 2, 3))
    three.lock(9)
    one.lock(5, ACCESS_SHARE)
    writer = two.lock(5, ACCESS_EXCLUSIVE)
    reader = three.lock(5, ACCESS_SHARE)
    assert reader is not None and not reader.is_over()
    assert one.lock(9) is not None, "one waits for three, which no longer waits for two"
    assert reader.is_over() and writer is not None and not writer.is_over()
    three.release()
    one.release()
    assert writer.is_over()


def test_the_requester_itself_may_pass(table: LockTable) -> None:
    one, two, three = (Locker(table, number) for number in (1, 2, 3))
    one.lock(5, ACCESS_SHARE)
    three.lock(9)
    assert one.lock(9) is not None
    assert two.lock(5, ACCESS_EXCLUSIVE) is not None
    request = three.lock(5, ACCESS_SHARE)
    assert request is not None and request.is_over()
    assert three.lock(5, ACCESS_SHARE) is None


def test_a_thread_never_waits_for_itself(table: LockTable) -> None:
    """Embedded and blocking: the holder can't let go while its thread waits."""
    one, two = Locker(table, 1, thread_id=77), Locker(table, 2, thread_id=77)
    one.lock(5)
    with pytest.raises(DeadlockDetected):
        two.lock(5)


def test_threads_that_stand_still_for_each_other_are_a_deadlock(table: LockTable) -> None:
    holder_1, waiter_1 = Locker(table, 1, thread_id=1), Locker(table, 2, thread_id=1)
    holder_2, waiter_2 = Locker(table, 3, thread_id=2), Locker(table, 4, thread_id=2)
    holder_1.lock(5)
    holder_2.lock(6)
    assert waiter_1.lock(6) is not None
    with pytest.raises(DeadlockDetected):
        waiter_2.lock(5)


def test_other_threads_are_waited_for(table: LockTable) -> None:
    one, two = Locker(table, 1, thread_id=1), Locker(table, 2, thread_id=2)
    one.lock(5)
    assert two.lock(5) is not None


def test_unwinding_restores_the_modes_that_were_held(table: LockTable) -> None:
    one, two = Locker(table, 1), Locker(table, 2)
    one.lock(5, ACCESS_SHARE)
    length = len(one.holder.locks)
    one.lock(5, ACCESS_EXCLUSIVE)
    one.lock(6)
    assert two.lock(6) is not None
    table.unwind(one.holder, length)
    assert two.lock(6) is None
    assert two.lock(5, ROW_EXCLUSIVE) is None
    assert two.lock(5, ACCESS_EXCLUSIVE) is not None


def test_session_advisory_locks_count_and_outlive_transactions(table: LockTable) -> None:
    one, two = Locker(table, 1), Locker(table, 2)
    session, other = SessionAdvisoryLocks(table, one.owner), SessionAdvisoryLocks(table, two.owner)
    session.lock(1)
    session.lock(1)
    lock_in_transaction(table, one.holder, 1)
    one.release()
    assert not other.try_lock(1)
    assert session.unlock(1)
    assert not other.try_lock(1)
    assert session.unlock(1) and not session.unlock(1)
    assert other.try_lock(1) and other.try_lock(1, shared=True)
    assert other.unlock(1)
    assert try_lock_in_transaction(table, one.holder, 1, shared=True)
    assert not session.try_lock(1)
    one.release()
    other.unlock_all()
    assert session.try_lock(1)
    session.unlock_all()
    assert not list(table.all_locks())
