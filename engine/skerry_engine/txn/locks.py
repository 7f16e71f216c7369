"""The lock table: who holds what, who waits for whom, and that nobody waits in a circle.

A lock is a resource with holders (each a mask of modes) and a queue, first come first served:

    holders   T1: ROW_NO_KEY_UPDATE                      a request is granted when it conflicts neither with a holder
    queue     T2: ROW_UPDATE, T3: ROW_KEY_SHARE, …       nor with a request ahead of it; who already holds something
                                                         here goes to the front, since those ahead wait for it
                                                         anyway

How waiting works without blocking: `acquire` grants and returns, or puts a request into the queue and raises
`LockWait(request)`.  Nothing was changed by the caller at that point.  It waits (a statement yields
`Wait(request)`), then makes the very same call again: now the lock is in hand and the call passes.  A request
can also be refused (a timeout, a cancel); then the repeated call raises the reason.

Deadlocks are looked for when a request is queued, the only moment a circle can close.  Edges are: a waiting
request -> holders it conflicts with and requests ahead of it that it conflicts with.  For an owner that blocks
its thread while it waits (`thread_id`), another: an owner of the same thread, since it can't go on either.  A
circle that only the order of a queue closes is opened by letting one request pass another; from any other the
requester is taken out as the victim.

An `Owner` is a session: its holders never conflict with each other.  A `Holder` is what lets go at one
moment: a transaction, or the session's own advisory locks.  A holder journals what it got, so that a
savepoint can unwind to it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Final

from skerry_engine.errors import DatabaseError, DeadlockDetected, LockTimeout, QueryCanceled
from skerry_engine.txn.modes import CONFLICTS, COVERED_BY, MODE_NAMES

WAITING: Final = 0
GRANTED: Final = 1
REFUSED: Final = 2

TABLE: Final = 0
ROW: Final = 1
KEY: Final = 2
INDEX: Final = 3
NAME: Final = 4
ADVISORY: Final = 5
LINE: Final = 6

MAX_REORDERINGS: Final = 16
"""How often queues are reordered to avoid one deadlock."""

Space = dict[object, "Lock"]


class Owner:
    """A session as the lock table sees it.

    `process_id` and `database_oid` name it in messages.  `thread_id` is not 0 when waiting blocks that
    thread, so that other owners of the thread stand still meanwhile.  `lock_timeout_ms` bounds each wait (0:
    no bound).  `spare` is the finished transaction's empty holder, for the next one.  `contended` is the row
    (as a resource) that its last transaction lost to another's commit, 0 for none; `conflict_wait_ms` is how
    long the next one may wait in line for it.
    """

    __slots__ = (
        "process_id",
        "database_oid",
        "thread_id",
        "lock_timeout_ms",
        "request",
        "spare",
        "contended",
        "conflict_wait_ms",
    )

    def __init__(self, process_id: int = 0, thread_id: int = 0, database_oid: int = 0) -> None:
        self.process_id: int = process_id
        self.database_oid: int = database_oid
        self.thread_id: int = thread_id
        self.lock_timeout_ms: int = 0
        self.request: LockRequest | None = None
        self.spare: Holder | None = None
        self.contended: int = 0
        self.conflict_wait_ms: int = 0

    def cancel(self, error: DatabaseError | None = None) -> None:
        """Refuse the request that the owner waits for, if any; its next try raises `error` (default:
        user cancel)."""
        request = self.request
        if request is not None and request.status == WAITING:
            request.refuse(error or QueryCanceled("canceling statement due to user request"))


class Holder:
    """Holds locks until it lets all go at once; `transaction_id` names it in messages (0: a session)."""

    __slots__ = ("owner", "transaction_id", "locks", "previous")

    def __init__(self, owner: Owner, transaction_id: int = 0) -> None:
        self.owner: Owner = owner
        self.transaction_id: int = transaction_id
        self.locks: list[Lock] = []
        self.previous: list[int] = []


class Lock:
    """A resource that somebody holds or waits for.  The first holder stands apart: most locks have one."""

    __slots__ = ("space", "kind", "resource", "holder", "mask", "others", "queue")

    def __init__(self, space: Space, kind: int, resource: object) -> None:
        self.space: Space = space
        self.kind: int = kind
        self.resource: object = resource
        self.holder: Holder | None = None
        self.mask: int = 0
        self.others: dict[Holder, int] | None = None
        self.queue: list[LockRequest] | None = None

    def mask_of(self, holder: Holder) -> int:
        """The modes that `holder` has."""
        if self.holder is holder:
            return self.mask
        others = self.others
        return 0 if others is None else others.get(holder, 0)

    def set_mask(self, holder: Holder, mask: int) -> None:
        """Set the modes that `holder` has; 0 removes it."""
        if mask:
            self._grant(holder, mask)
        elif self.holder is holder:
            self._promote()
        elif self.others is not None:
            self.others.pop(holder, None)
            if not self.others:
                self.others = None

    def _grant(self, holder: Holder, mask: int) -> None:
        if self.holder is holder or self.holder is None:
            self.holder = holder
            self.mask = mask
            return
        if self.others is None:
            self.others = {}
        self.others[holder] = mask

    def _promote(self) -> None:
        """The first holder leaves: another takes its place, so that there are no others without a first."""
        self.holder = None
        self.mask = 0
        if self.others is not None:
            self.holder, self.mask = self.others.popitem()
            if not self.others:
                self.others = None

    def holders(self) -> list[tuple[Holder, int]]:
        """All holders with their modes."""
        found: list[tuple[Holder, int]] = []
        if self.holder is not None:
            found.append((self.holder, self.mask))
        if self.others is not None:
            found.extend(self.others.items())
        return found

    def is_blocked(self, owner: Owner, conflicts: int) -> bool:
        """Whether somebody else holds one of the modes `conflicts`."""
        first = self.holder
        if first is not None and self.mask & conflicts and first.owner is not owner:
            return True
        if self.others is not None:
            for holder, mask in self.others.items():
                if mask & conflicts and holder.owner is not owner:
                    return True
        return False


class LockRequest:
    """A place in a lock's queue; what a `Wait` step waits for (it implements `steps.Waiting`).

    `since_s` is when it was made, as `time.time()` has it.
    """

    __slots__ = ("lock", "holder", "mode", "status", "error", "deadline", "since_s", "_callbacks")

    def __init__(self, lock: Lock, holder: Holder, mode: int, deadline: float | None) -> None:
        self.lock: Lock = lock
        self.holder: Holder = holder
        self.mode: int = mode
        self.status: int = WAITING
        self.error: DatabaseError | None = None
        self.deadline: float | None = deadline
        self.since_s: float = time.time()
        self._callbacks: list[Callable[[], None]] = []

    def is_over(self) -> bool:
        """Granted, refused or timed out."""
        return self.status != WAITING or self.is_late()

    def is_late(self) -> bool:
        """Whether the deadline has passed."""
        return self.deadline is not None and time.monotonic() >= self.deadline

    def on_over(self, callback: Callable[[], None]) -> None:
        """Call `callback` when granted or refused (at once if it is)."""
        if self.status == WAITING:
            self._callbacks.append(callback)
        else:
            callback()

    def deadline_s(self) -> float | None:
        """The `time.monotonic()` value at which the wait times out."""
        return self.deadline

    def refuse(self, error: DatabaseError) -> None:
        """Leave the queue; the next try raises `error`."""
        self.error = error
        leave_queue(self)
        self._settle(REFUSED)

    def grant(self) -> None:
        """Called by the lock table when the lock is in hand."""
        self.holder.owner.request = None
        self._settle(GRANTED)

    def _settle(self, status: int) -> None:
        self.status = status
        callbacks = self._callbacks
        self._callbacks = []
        for callback in callbacks:
            callback()


class LockWait(Exception):
    """A lock is held by others and `request` is queued.  Wait for it, then make the same call again."""

    def __init__(self, request: LockRequest) -> None:
        super().__init__("waiting for a lock")
        self.request: LockRequest = request


class LockTable:
    """All locks of an engine, by class of resource.

    Resources: tables by OID, rows by storage id and row id in one int, keys by (index id, equality key),
    unique indexes by id, names by any hashable value, advisory locks by (database OID, key …), lines by row.  Lines
    (see Transaction.wait_for_snapshot) order attempts and protect nothing.
    """

    __slots__ = ("tables", "rows", "keys", "indexes", "names", "advisory", "lines", "blocked_threads")

    def __init__(self) -> None:
        self.tables: Space = {}
        self.rows: Space = {}
        self.keys: Space = {}
        self.indexes: Space = {}
        self.names: Space = {}
        self.advisory: Space = {}
        self.lines: Space = {}
        self.blocked_threads: dict[int, Owner] = {}

    # --- acquiring ------------------------------------------------------------------------------------------

    def acquire(self, space: Space, kind: int, resource: object, mode: int, holder: Holder) -> None:
        """Hold `resource` in `mode`, or raise LockWait (queued), DeadlockDetected,
        or why a wait was refused."""
        if not self.try_acquire(space, kind, resource, mode, holder):
            self._wait(space[resource], mode, holder)

    def try_acquire(self, space: Space, kind: int, resource: object, mode: int, holder: Holder) -> bool:
        """Hold `resource` in `mode` if that is possible without waiting, and say whether it was."""
        lock = space.get(resource)
        if lock is None:
            lock = Lock(space, kind, resource)
            space[resource] = lock
            lock.holder = holder
            lock.mask = 1 << mode
            holder.locks.append(lock)
            holder.previous.append(0)
            return True
        held = lock.mask_of(holder)
        if held & COVERED_BY[mode]:
            return True
        conflicts = CONFLICTS[mode]
        if lock.is_blocked(holder.owner, conflicts):
            return False
        if lock.queue is not None and not self._may_overtake(lock, holder, held, conflicts):
            return False
        take(lock, holder, held, mode)
        return True

    def _may_overtake(self, lock: Lock, holder: Holder, held: int, conflicts: int) -> bool:
        if held:
            return True
        queue = lock.queue
        assert queue is not None
        for request in queue:
            if conflicts >> request.mode & 1 and request.holder.owner is not holder.owner:
                return False
        return True

    def hold_mode(self, space: Space, resource: object, mode: int, holder: Holder) -> None:
        """Give a holder that holds a stronger mode this one as well, for its own release."""
        lock = space[resource]
        held = lock.mask_of(holder)
        if not held >> mode & 1:
            take(lock, holder, held, mode)

    def is_free(self, space: Space, resource: object, mode: int, holder: Holder) -> bool:
        """Whether `acquire` would pass; changes nothing."""
        lock = space.get(resource)
        if lock is None or lock.mask_of(holder) & COVERED_BY[mode]:
            return True
        return not lock.is_blocked(holder.owner, CONFLICTS[mode])

    def _wait(self, lock: Lock, mode: int, holder: Holder) -> None:
        """Go on waiting for the request made before, or make one.  Always raises."""
        owner = holder.owner
        request = owner.request
        if (
            request is None
            or request.lock is not lock
            or request.mode != mode
            or request.holder is not holder
        ):
            self.abandon_wait(owner)
            request = self._enqueue(lock, mode, holder)
        if request.status == WAITING and request.is_late():
            request.refuse(LockTimeout("canceling statement due to lock timeout"))
        if request.error is not None:
            owner.request = None
            self._unblock_thread(owner)
            raise request.error
        raise LockWait(request)

    def _enqueue(self, lock: Lock, mode: int, holder: Holder) -> LockRequest:
        owner = holder.owner
        deadline = time.monotonic() + owner.lock_timeout_ms / 1000 if owner.lock_timeout_ms else None
        request = LockRequest(lock, holder, mode, deadline)
        if lock.queue is None:
            lock.queue = []
        if lock.mask_of(holder):
            lock.queue.insert(0, request)
        else:
            lock.queue.append(request)
        owner.request = request
        if owner.thread_id:
            self.blocked_threads[owner.thread_id] = owner
        cycle = self._find_cycle(owner)
        for _ in range(MAX_REORDERINGS):
            if not cycle or not relax(cycle):
                break
            cycle = self._find_cycle(owner)
        if cycle:
            self.abandon_wait(owner)
            raise DeadlockDetected(
                "deadlock detected", detail=_describe(cycle), hint="See server log for query details."
            )
        return request

    def abandon_wait(self, owner: Owner) -> None:
        """Give up whatever the owner waits for: its statement failed, or its session ends."""
        request = owner.request
        if request is None:
            return
        owner.request = None
        self._unblock_thread(owner)
        if request.status == WAITING:
            leave_queue(request)
            request.status = REFUSED

    def _unblock_thread(self, owner: Owner) -> None:
        if owner.thread_id and self.blocked_threads.get(owner.thread_id) is owner:
            del self.blocked_threads[owner.thread_id]

    # --- letting go -----------------------------------------------------------------------------------------

    def restore(self, kind: int, resource: object, mask: int, holder: Holder) -> None:
        """Recovery: give a prepared transaction a lock back, `mask` being all its modes; nobody conflicts."""
        space = self._space(kind)
        lock = space.get(resource)
        if lock is None:
            lock = space[resource] = Lock(space, kind, resource)
        lock.set_mask(holder, mask)
        holder.locks.append(lock)
        holder.previous.append(0)

    def _space(self, kind: int) -> Space:
        return (
            self.tables,
            self.rows,
            self.keys,
            self.indexes,
            self.names,
            self.advisory,
            self.lines,
        )[kind]

    def release_all(self, holder: Holder) -> None:
        """Let everything go and wake who waited for it."""
        locks = holder.locks
        if not locks:
            return
        for lock in locks:
            if lock.holder is holder and lock.others is None and lock.queue is None:
                lock.holder = None
                lock.mask = 0
                del lock.space[lock.resource]
            elif lock.mask_of(holder):
                lock.set_mask(holder, 0)
                settle(lock)
        locks.clear()
        holder.previous.clear()

    def release_some(self, holder: Holder, limit: int) -> bool:
        """Let up to `limit` locks go, newest first; says whether some are left."""
        while holder.locks and limit > 0:
            lock = holder.locks.pop()
            holder.previous.pop()
            if lock.mask_of(holder):
                lock.set_mask(holder, 0)
                settle(lock)
            limit -= 1
        return len(holder.locks) > 0

    def unwind(self, holder: Holder, length: int) -> None:
        """Let go what the holder got since its journal had `length` entries (ROLLBACK TO SAVEPOINT)."""
        while len(holder.locks) > length:
            lock = holder.locks.pop()
            lock.set_mask(holder, holder.previous.pop())
            settle(lock)

    def release_one(self, holder: Holder, space: Space, resource: object, mode: int) -> bool:
        """Let one mode of one lock go (advisory unlock; not for holders that unwind).
        False when it is not held."""
        lock = space.get(resource)
        if lock is None or not lock.mask_of(holder) >> mode & 1:
            return False
        mask = lock.mask_of(holder) & ~(1 << mode)
        lock.set_mask(holder, mask)
        if not mask:
            position = holder.locks.index(lock)
            del holder.locks[position]
            del holder.previous[position]
        settle(lock)
        return True

    # --- deadlocks ------------------------------------------------------------------------------------------

    def _find_cycle(self, start: Owner) -> list[tuple[LockRequest, Holder]]:
        """The circle of waits from `start` back to it: each request with the holder it waits for;
        or empty."""
        path: list[tuple[LockRequest, Holder]] = []
        visited: set[Owner] = {start}
        if self._search(start, start, path, visited):
            return path
        return []

    def _search(
        self, owner: Owner, start: Owner, path: list[tuple[LockRequest, Holder]], visited: set[Owner]
    ) -> bool:
        request = owner.request
        if request is None or request.status != WAITING:
            return False
        for holder in blockers(request):
            path.append((request, holder))
            if self._leads_back(holder.owner, start, path, visited):
                return True
            path.pop()
        return False

    def _leads_back(
        self, owner: Owner, start: Owner, path: list[tuple[LockRequest, Holder]], visited: set[Owner]
    ) -> bool:
        if owner is start or (owner.thread_id and owner.thread_id == start.thread_id):
            return True
        if owner in visited:
            return False
        visited.add(owner)
        if self._search(owner, start, path, visited):
            return True
        stuck = self.blocked_threads.get(owner.thread_id) if owner.thread_id else None
        if stuck is None or stuck in visited:
            return False
        visited.add(stuck)
        return self._search(stuck, start, path, visited)

    # --- for tests ------------------------------------------------------------------------------------------

    def all_locks(self) -> Iterator[Lock]:
        """Every lock that is held or waited for."""
        for space in (self.tables, self.rows, self.keys, self.indexes, self.names, self.advisory):
            yield from list(space.values())


def take(lock: Lock, holder: Holder, held: int, mode: int) -> None:
    """Add `mode` to what `holder` has, and journal it."""
    lock.set_mask(holder, held | 1 << mode)
    holder.locks.append(lock)
    holder.previous.append(held)


def settle(lock: Lock) -> None:
    """After a change: grant what can be granted, in order, and drop the lock when nobody is left."""
    queue = lock.queue
    if queue is not None:
        _grant_queued(lock, queue)
        if not queue:
            lock.queue = None
    if lock.holder is None and lock.others is None and lock.queue is None:
        if lock.space.get(lock.resource) is lock:
            del lock.space[lock.resource]


def _grant_queued(lock: Lock, queue: list[LockRequest]) -> None:
    granted: list[LockRequest] = []
    blocked = 0
    for request in list(queue):
        conflicts = CONFLICTS[request.mode]
        if conflicts & blocked or lock.is_blocked(request.holder.owner, conflicts):
            blocked |= 1 << request.mode
            continue
        queue.remove(request)
        take(lock, request.holder, lock.mask_of(request.holder), request.mode)
        granted.append(request)
    for request in granted:
        request.grant()


def relax(cycle: list[tuple[LockRequest, Holder]]) -> bool:
    """Break a circle by letting a request pass one ahead that only queues, or by ending one that is a courtesy
    (LINE); False when only held locks close it.

    The one that waits farthest from whoever has closed the circle passes first, as PostgreSQL has it: it has
    waited longer.
    """
    for request, holder in reversed(cycle):
        lock = request.lock
        if lock.kind == LINE:
            request.refuse(LockTimeout("canceling statement due to lock timeout"))
            return True
        if lock.mask_of(holder) & CONFLICTS[request.mode]:
            continue
        queue = lock.queue
        if queue is None or request not in queue:
            continue
        ahead = [position for position, other in enumerate(queue) if other.holder is holder]
        if ahead and ahead[0] < queue.index(request):
            queue.remove(request)
            queue.insert(ahead[0], request)
            settle(lock)
            return True
    return False


def leave_queue(request: LockRequest) -> None:
    """Take a request out of its lock's queue; those behind it may now be granted."""
    queue = request.lock.queue
    if queue is not None and request in queue:
        queue.remove(request)
        settle(request.lock)


def blockers(request: LockRequest) -> list[Holder]:
    """Whom a waiting request waits for: conflicting holders, then conflicting requests ahead of it."""
    lock = request.lock
    owner = request.holder.owner
    conflicts = CONFLICTS[request.mode]
    found = [holder for holder, mask in lock.holders() if mask & conflicts and holder.owner is not owner]
    for ahead in lock.queue or []:
        if ahead is request:
            break
        if conflicts >> ahead.mode & 1 and ahead.holder.owner is not owner:
            found.append(ahead.holder)
    return found


def _describe(cycle: list[tuple[LockRequest, Holder]]) -> str:
    """PostgreSQL's account of a deadlock, one line per waiter."""
    lines = []
    for request, holder in cycle:
        lines.append(
            f"Process {request.holder.owner.process_id} waits for {wanted_mode(request)} on "
            f"{describe_resource(request.lock, holder)}; blocked by process {holder.owner.process_id}."
        )
    return "\n".join(lines)


def wanted_mode(request: LockRequest) -> str:
    """How a message names the mode that is waited for: a row's or key's is a ShareLock on its holder's
    transaction."""
    return MODE_NAMES[request.mode] if request.lock.kind in (TABLE, ADVISORY) else "ShareLock"


def describe_resource(lock: Lock, holder: Holder) -> str:
    """How a message names what is waited for; rows and keys are shown as their holder's transaction."""
    if lock.kind == TABLE:
        return f"relation {lock.resource} of database {holder.owner.database_oid}"
    if lock.kind == ADVISORY:
        parts = lock.resource if isinstance(lock.resource, tuple) else (lock.resource,)
        return f"advisory lock [{','.join([str(part) for part in parts])}]"
    return f"transaction {holder.transaction_id}"
