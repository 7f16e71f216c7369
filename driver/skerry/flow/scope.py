"""One transaction, over whatever takes part in it: the only place where flows begin, commit and roll back.

    manual                tx = db.begin_transaction() ... tx.commit()
    context manager       with db.transaction(): ...
    explicit, as nodes    TransactionScopeNode ... TransactionCommitNode             all of these are
    lazy, by stages       @stage(tx=True)                                            one TransactionScope
    repositories          with transaction_scope(): ...

    open ──first use of a database──> it is enlisted: a session is taken, BEGIN
      │ enter ... leave / undo        nested blocks are savepoints; each member is marked when it is used inside one
      ├── commit ──> committed        on_commit hooks
      └── rollback, doom, deadline ──> rolled back, on_rollback hooks

Invariants
-   A scope that nobody uses sends nothing: no BEGIN, no SAVEPOINT, no connection taken.
-   Whatever way a scope ends, each session is back in its pool before that is over, rolled back or closed.
-   A doomed scope never commits.  What dooms it inside a nested block is lifted when that block is undone.
-   A connection on which a statement was broken off (Ctrl-C, cancellation, deadline) is not used again unless its
    driver is known to mend it: an answer, or a late cancellation, would reach whoever has it next.
-   One statement runs at a time; whoever comes meanwhile is told (`Turn`).
-   Hooks that a nested block has registered are part of it: its undoing forgets on_commit, and calls on_rollback.

With several members, commit prepares those that can be prepared, commits the others, the flow's own database last of
them, then what was prepared.  It is atomic if all but one can be prepared, short of losing a database between the
phases; else best effort, and CommitIncomplete says what was committed.

What it does not do: deciding when (`run`, `blocks`), or which scope is the ambient one (`ambient`).

Generated from aio/scope.py by driver/unasync.py: change that one.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
import uuid
import warnings
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar, cast

from skerry.flow.abc import Follower, Member, Participant
from skerry.flow.ambient import Ambient, enter, leave
from skerry.flow.modes import Modes
from skerry.flow.primitives import CANCELLED, Alarm, Worker, settled, sleep, to_the_end
from skerry.flow.report import StageReport
from skerry.flow.scope_state import FOR_GOOD, Frame, ScopeState
from skerry.flow.turn import Turn
from skerry.isolation import milliseconds
from skerry_engine import errors

if TYPE_CHECKING:
    from contextvars import Token

T = TypeVar("T")
Hook = Callable[[], object]

_numbers = itertools.count(1)
_INTERRUPTION_S = 0.002
_LONGEST_INTERRUPTION_S = 0.2
"""How long to wait for a statement that was cancelled, before it is cancelled again: first, and at most."""


class TransactionScope:
    """See the module.  As a context manager it is the ambient one inside, and rolls back what was not committed."""

    def __init__(
        self,
        modes: Modes,
        *,
        timeout: float | None = None,
        rollback_on_error: bool = True,
        primary: Participant | None = None,
    ) -> None:
        """`timeout` in seconds, from now on; `primary` is the database that commits last."""
        self.modes = modes
        self.rollback_on_error = rollback_on_error
        self.state = ScopeState.OPEN
        self.primary = primary
        self.report: StageReport | None = None
        self._timeout_s = timeout
        self._members: dict[Participant, Member] = {}
        self._marked: dict[Participant, list[str]] = {}
        self._excluded: set[Participant] = set()
        self._broken: set[Participant] = set()
        self._frames: list[Frame] = []
        self._followers: list[Follower] = []
        self._before: list[Hook] = []
        self._committed: list[Hook] = []
        self._rolled_back: list[Hook] = []
        self._locals: dict[object, object] = {}
        self._cause: BaseException | None = None
        self._doomed_at = 0
        self._turn = Turn()
        self._ending = threading.Lock()
        self._is_expired = False
        self._is_broken_off = False
        self._worker: Worker | None = None
        self._token: Token[Ambient | None] | None = None
        self._alarm: Alarm | None = None
        self._deadline_s: float | None = None
        if timeout is not None:
            milliseconds(timeout)  # which checks it
            self._deadline_s = time.monotonic() + timeout
            self._alarm = Alarm(timeout, self._expire)

    # --- what is known ----------------------------------

    @property
    def is_open(self) -> bool:
        """Whether it can still be used."""
        return self.state is ScopeState.OPEN

    @property
    def is_used(self) -> bool:
        """Whether anything takes part in it yet."""
        return bool(self._members)

    @property
    def is_lost(self) -> bool:
        """Whether it has ended, or can only be rolled back as a whole."""
        return self.state is not ScopeState.OPEN or self._is_expired or self._doomed_at == FOR_GOOD

    @property
    def cause(self) -> BaseException | None:
        """What doomed it, or why it was rolled back."""
        return self._cause

    def has(self, participant: Participant) -> bool:
        """Whether this takes part already."""
        return participant in self._members

    def excludes(self, participant: Participant) -> bool:
        """Whether `no_tx` keeps this out."""
        return participant in self._excluded

    def exclude(self, participant: Participant) -> None:
        """Keep it out: no begin, commit or rollback is sent to it on behalf of this transaction.

        Raises InvalidTransactionState when it takes part already.
        """
        self.check_open()
        if participant in self._members:
            raise errors.InvalidTransactionState(f"{participant.name} takes part in the transaction already")
        self._excluded.add(participant)

    def check_open(self) -> None:
        """Raise TransactionTimeout after its deadline, InvalidTransactionState when it has ended, InFailedTransaction
        when it is doomed."""
        if self._is_expired and self.state is not ScopeState.COMMITTED:
            raise self._too_late()
        if self._deadline_s is not None and self.state is ScopeState.OPEN:
            if time.monotonic() >= self._deadline_s:  # an event loop that was blocked rings its alarms late
                raise self._too_late()
        if self.state is not ScopeState.OPEN:
            raise errors.InvalidTransactionState(f"the transaction is finished: {self.state.value}")
        if self._cause is not None:
            raise errors.InFailedTransaction(
                f"the transaction can't go on, since part of it failed: {self._cause}",
                hint="Give the stage an on_error handler, or the part a transaction() block of its own.",
            ) from self._cause

    def _too_late(self) -> errors.TransactionTimeout:
        return errors.TransactionTimeout(
            f"the transaction lasted longer than {self._timeout_s} s and was rolled back"
        )

    # --- taking part ------------------------------------

    def use(self, participant: Participant, work: Callable[[Member], object] | None = None) -> object:
        """Do something with a participant, which is enlisted by its first use; what `work(member)` gave, or the member.

        Raises what `check_open` raises, ConcurrentUse while another task is at it.
        """
        with self._turn:
            self.check_open()
            worker = Worker()
            self._worker = worker
            try:
                member = self._enlisted(participant)
                given = member if work is None else settled(work(member))
                if self._is_expired:
                    raise self._too_late()
                return given
            except BaseException as problem:
                if not isinstance(problem, Exception):
                    self._note_interruption(participant)
                if self._is_expired:
                    self._give_up_for(worker, problem)
                    raise self._too_late() from problem
                raise
            finally:
                self._worker = None

    def _give_up_for(self, worker: Worker, problem: BaseException) -> None:
        """Roll back for whoever ran the statement.  Raises the cancellation, where others than the deadline did that;
        the deadline's own may come late, when the statement has failed already."""
        self._worker = None
        interruption = problem
        try:
            to_the_end(self._give_up())
        except CANCELLED as cancelled:
            interruption = cancelled
        if worker.is_cancelled_by_others():
            raise interruption

    def _enlisted(self, participant: Participant) -> Member:
        member = self._members.get(participant)
        if member is None:
            member = participant.enlist(self.modes, participant not in self._excluded)
            self._members[participant] = member
            self._marked[participant] = []
        marked = self._marked[participant]
        for frame in self._frames[len(marked) :]:
            member.savepoint(frame.name)
            marked.append(frame.name)
        return member

    def _note_interruption(self, participant: Participant) -> None:
        """A call was broken off: what its connection says next may be the answer to it."""
        member = self._members.get(participant)
        if member is not None and not member.survives_interruption:
            self._broken.add(participant)
            self.doom(
                errors.OperationalError(f"a statement on {participant.name} was broken off"), for_good=True
            )

    def local(self, key: object, make: Callable[[], T]) -> T:
        """What belongs to this transaction under a key, made by its first use (an ORM session, a cache)."""
        if key not in self._locals:
            self._locals[key] = make()
        return cast("T", self._locals[key])

    def follow(self, follower: Follower) -> int:
        """Have something know of nested blocks and of the end; how many blocks are open now."""
        self._followers.append(follower)
        return len(self._frames)

    def before_commit(self, hook: Hook) -> None:
        """Call it when a commit begins: what it raises prevents the commit."""
        self._before.append(hook)

    def on_commit(self, hook: Hook) -> None:
        """Call it once the transaction has committed."""
        self._committed.append(hook)

    def on_rollback(self, hook: Hook) -> None:
        """Call it once the transaction has been rolled back."""
        self._rolled_back.append(hook)

    # --- nested blocks ----------------------------------

    def enter(self) -> int:
        """Enter a nested block: what leaves or undoes it.  Savepoints follow when something is used inside."""
        self.check_open()
        self._tell_entered()
        self._frames.append(self._frame(f"flow_{next(_numbers)}"))
        return len(self._frames)

    def _tell_entered(self) -> None:
        try:
            for follower in self._followers:
                follower.entered()
        except BaseException as problem:
            self.doom(problem)
            raise

    def _frame(self, name: str) -> Frame:
        return Frame(name, len(self._before), len(self._committed), len(self._rolled_back))

    def leave(self, depth: int) -> None:
        """Leave a nested block; its changes stay.  If they can't (a statement inside has failed, say), it is undone
        and that raised."""
        if self.state is not ScopeState.OPEN:
            return  # its deadline has come, or somebody rolled back: the blocks are gone, too
        name = self._innermost(depth).name
        try:
            if self._cause is not None:
                self.check_open()
            for follower in self._followers:
                follower.left()
            with self._turn:
                self._release(name)
        except BaseException as problem:
            self.undone(depth, problem)
            raise
        self._frames.pop()

    def _release(self, name: str) -> None:
        released = 0
        try:
            for participant, marked in self._marked.items():
                if marked and marked[-1] == name:
                    self._members[participant].release_savepoint(name)
                    marked.pop()
                    released += 1
        except BaseException as problem:
            if released:  # what can't be undone alone any more
                self.doom(problem, for_good=True)
            raise

    def undone(self, depth: int, cause: BaseException) -> bool:
        """As `undo`; where that fails False, with a note on what has caused it."""
        try:
            self.undo(depth, cause)
        except Exception as problem:
            cause.add_note(
                f"what it had written could not be undone by itself: {type(problem).__name__}: {problem}"
            )
            return False
        return True

    def undo(self, depth: int, cause: BaseException | None = None) -> None:
        """Undo a nested block and leave it.  If that fails, the whole is doomed and the failure raised."""
        if self.state is not ScopeState.OPEN:
            return
        frame = self._innermost(depth)
        self._frames.pop()
        try:
            self._check_unbroken()
            with self._turn:
                for participant, marked in self._marked.items():
                    if marked and marked[-1] == frame.name:
                        marked.pop()
                        member = self._members[participant]
                        member.rollback_to_savepoint(frame.name)
                        member.release_savepoint(frame.name)
            for follower in self._followers:
                follower.undone(depth)
        except BaseException as problem:
            self.doom(problem, for_good=True)
            raise
        if self._doomed_at >= depth:
            self._cause = None
        self._undo_hooks(frame, cause)

    def _check_unbroken(self) -> None:
        if self._broken:
            self._cause = self._cause or errors.OperationalError("a statement was broken off")
            raise errors.InFailedTransaction(
                "a statement was broken off: the whole is rolled back"
            ) from self._cause

    def _undo_hooks(self, frame: Frame, cause: BaseException | None) -> None:
        """Of a block that is undone the hooks of a commit are forgotten, those of a rollback are called."""
        del self._before[frame.before :]
        del self._committed[frame.committed :]
        gone = self._rolled_back[frame.rolled_back :]
        del self._rolled_back[frame.rolled_back :]
        if gone:
            _call_noting(gone, cause)

    def _innermost(self, depth: int) -> Frame:
        if len(self._frames) != depth:
            self.doom(
                errors.ConcurrentUse("two tasks have opened blocks inside one transaction"), for_good=True
            )
            raise errors.ConcurrentUse(
                "blocks inside one transaction end in another order than they began: two tasks share it"
            )
        return self._frames[-1]

    def doom(self, cause: BaseException, for_good: bool = False) -> None:
        """Make sure that it is never committed: the nested block that is open here, or the whole `for_good`."""
        if self.state is not ScopeState.OPEN:
            return
        if self._cause is None:
            self._cause = cause
            self._doomed_at = len(self._frames)
        if for_good:
            self._doomed_at = FOR_GOOD

    # --- ends -------------------------------------------

    def commit(self) -> None:
        """Commit all, or raise: it is rolled back then.

        Raises what `check_open` raises, what the databases raise, CommitIncomplete when some have committed already.
        """
        with self._turn:
            try:
                self.check_open()
                if self._frames:
                    raise errors.InvalidTransactionState("the transaction has nested blocks that are open")
                if self._before or self._followers:
                    self._call_before()
                to_the_end(self._commit_members())
            except BaseException as problem:
                self._commit_failed(problem)
                if (
                    self._is_expired
                    and isinstance(problem, Exception)
                    and self.state is ScopeState.ROLLED_BACK
                ):
                    raise self._too_late() from problem
                raise
        if self._committed:
            _call_all(self._committed)

    def _commit_failed(self, problem: BaseException) -> None:
        """Roll back, unless it was too late for the failure: a cancellation is heard when the commit is done."""
        if self.state is ScopeState.OPEN:
            if not isinstance(problem, Exception):
                for participant in self._members:
                    self._note_interruption(participant)
            self.doom(problem)
            to_the_end(self._roll_back_members())
        elif self.state is ScopeState.COMMITTED and self._committed:
            to_the_end(_call_noting(self._committed, problem))

    def _call_before(self) -> None:
        """Hooks are inside the transaction: what they write belongs to it."""
        self._turn.leave()
        token = enter(Ambient.inside(self))
        try:
            for hook in self._before:
                settled(hook())
            for follower in self._followers:
                follower.finish()
        finally:
            leave(token)
            if not self._turn.take():
                raise errors.ConcurrentUse("something still uses the transaction when it commits")
        self.check_open()

    def _commit_members(self) -> None:
        members = list(self._members.values())
        if len(members) == 1:
            members[0].commit()
        elif members:
            self._commit_several(members)
        self._end(ScopeState.COMMITTED)

    def _commit_several(self, members: list[Member]) -> None:
        """Two phases where they can be had; those that can't be prepared commit between them."""
        primary = self._members.get(self.primary) if self.primary is not None else None
        members.sort(key=lambda each: (each.is_database, each is primary))
        single = [each for each in members if not each.is_two_phase]
        double = [each for each in members if each.is_two_phase]
        if not single:
            single = [double.pop()]
        name = f"flow_{uuid.uuid4().hex}"
        prepared: list[Member] = []
        done: list[Member] = []
        try:
            for each in double:
                each.prepare(f"{name}_{len(prepared)}")
                prepared.append(each)
            for each in single:
                each.commit()
                done.append(each)
        except BaseException as problem:
            for number, each in enumerate(prepared):
                with contextlib.suppress(Exception):
                    each.rollback_prepared(f"{name}_{number}")
            if done:
                self._close_some(done)
                raise _incomplete(done, members, "were rolled back") from problem
            raise
        self._commit_prepared(name, prepared, done, members)

    def _close_some(self, done: list[Member]) -> None:
        """They have committed, and are not to be rolled back with the others."""
        for participant, member in list(self._members.items()):
            if member in done:
                del self._members[participant]
                with contextlib.suppress(Exception):
                    member.close(True)

    def _commit_prepared(
        self, name: str, prepared: list[Member], done: list[Member], members: list[Member]
    ) -> None:
        """The second phase: it is decided, so that a failure does not keep the others from it."""
        failure: BaseException | None = None
        for number, each in enumerate(prepared):
            try:
                each.commit_prepared(f"{name}_{number}")
                done.append(each)
            except BaseException as problem:
                failure = failure or problem
        if failure is not None:
            self._is_broken_off = True
            self._end(ScopeState.COMMITTED)
            raise _incomplete(done, members, f"still have it prepared as {name}_...") from failure

    def rollback(self, cause: BaseException | None = None) -> None:
        """Roll back; nothing happens when it has ended already."""
        if self.state is not ScopeState.OPEN:
            return
        if cause is not None:
            self.doom(cause)
        to_the_end(self._interrupt_and_roll_back())

    def _interrupt_and_roll_back(self) -> None:
        """Have a statement that another task or thread still runs fail, then roll back."""
        pause_s = _INTERRUPTION_S
        while not self._turn.take():
            self._is_broken_off = True
            self._cancel_members()
            sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_INTERRUPTION_S)
        try:
            if self.state is ScopeState.OPEN:
                self._roll_back_members()
        finally:
            self._turn.leave()

    def _cancel_members(self) -> None:
        for member in list(self._members.values()):
            with contextlib.suppress(Exception):
                member.cancel()

    def reset(self, frame: Frame | None = None, cause: BaseException | None = None) -> None:
        """Roll back, and be as new: for another attempt.  Hooks of before `frame` (`mark`) stay."""
        if self._members and self.report is not None:
            self.report.rollbacks += 1
        with self._turn:
            to_the_end(self._close_members(rolls_back=True))
            self._end_followers(False)
            self._locals.clear()
            if self._doomed_at != FOR_GOOD:
                self._cause = None
            self._broken.clear()
        self._undo_hooks(frame or Frame("", 0, 0, 0), cause)

    def mark(self) -> Frame:
        """What `reset` goes back to."""
        return self._frame("")

    def _roll_back_members(self) -> None:
        if self._members and self.report is not None:
            self.report.rollbacks += 1
        try:
            self._close_members(rolls_back=True)
        finally:
            self._frames.clear()
            self._over(ScopeState.ROLLED_BACK)
        if self._rolled_back:
            _call_noting(self._rolled_back, self._cause)

    def _close_members(self, rolls_back: bool) -> None:
        """Give every session back, or close it where it can't roll back, which rolls back, or is not to be used again;
        whatever comes between."""
        interruption: BaseException | None = None
        while self._members:
            participant, member = self._members.popitem()
            is_usable = participant not in self._broken and not self._is_broken_off
            try:
                if rolls_back and is_usable:
                    is_usable = False
                    member.rollback()
                    is_usable = True
                elif rolls_back:
                    member.cancel()  # what runs on would keep its locks
            except Exception:  # a connection that can't roll back is closed: that rolls back
                is_usable = False
            except BaseException as problem:
                interruption = problem
            try:
                member.close(is_usable)
            except Exception:
                continue
            except BaseException as problem:
                interruption = problem
        self._marked.clear()
        if interruption is not None:
            raise interruption

    def _end(self, state: ScopeState) -> None:
        """It is committed."""
        with self._ending:
            self.state = state
        if self._members and self.report is not None:
            self.report.commits += 1
        try:
            self._close_members(rolls_back=False)
        finally:
            self._over(state)

    def _over(self, state: ScopeState) -> None:
        self.state = state
        if self._alarm is not None:
            self._alarm.call_off()
        self._end_followers(self.state is ScopeState.COMMITTED)
        self._locals.clear()

    def _end_followers(self, committed: bool) -> None:
        followers, self._followers = self._followers, []
        for follower in followers:
            follower.ended(committed)

    # --- the deadline -----------------------------------

    def _expire(self) -> None:
        """The time is up: roll back now, or have the statement that runs fail, and whoever runs it roll back."""
        with self._ending:  # a commit that is done is not called too late
            if self.state is not ScopeState.OPEN:
                return
            self._is_expired = self._is_broken_off = True
        if self._turn.take():
            self._is_broken_off = False
            try:
                self._give_up()
            finally:
                self._turn.leave()
            return
        pause_s = _INTERRUPTION_S
        while self.state is ScopeState.OPEN and self._turn.is_taken:
            self._cancel_members()
            sleep(pause_s)
            if self._worker is not None:
                self._worker.cancel()
            pause_s = min(2 * pause_s, _LONGEST_INTERRUPTION_S)

    def _give_up(self) -> None:
        if self.state is ScopeState.OPEN:
            self._cause = self._cause or self._too_late()
            self._roll_back_members()

    # --- as a context manager: by hand ------------------

    def __enter__(self) -> TransactionScope:
        self.check_open()
        if self._token is not None:
            raise errors.InvalidTransactionState("the transaction surrounds a block already")
        self._token = enter(Ambient.inside(self))
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._token is not None
        leave(self._token)
        self._token = None
        self.rollback(exception)

    def __del__(self) -> None:
        if getattr(self, "state", None) is not ScopeState.OPEN or not self._members:
            return
        warnings.warn("a transaction was forgotten, and is rolled back", ResourceWarning, stacklevel=2)
        for member in self._members.values():
            with contextlib.suppress(Exception):
                member.abandon()


def _call_all(hooks: list[Hook]) -> None:
    """Call every hook; the first failure is raised when all have been called."""
    first: BaseException | None = None
    for hook in hooks:
        try:
            settled(hook())
        except Exception as problem:
            first = first or problem
    if first is not None:
        raise first


def _call_noting(hooks: list[Hook], problem: BaseException | None) -> None:
    """Call every hook; failures are noted on what is raised anyway, so that they do not hide it."""
    try:
        _call_all(hooks)
    except Exception as failure:
        if problem is None:
            raise
        problem.add_note(f"a hook failed, too: {type(failure).__name__}: {failure}")


def _incomplete(done: list[Member], members: list[Member], what: str) -> errors.CommitIncomplete:
    names = ", ".join(each.name for each in done)
    missing = ", ".join(each.name for each in members if each not in done)
    return errors.CommitIncomplete(
        f"{names} had committed already when {missing} could not: these {what}",
        hint="Only databases with two-phase commit are atomic together.",
    )
