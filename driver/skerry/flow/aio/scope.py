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
-   A doomed scope never commits.
-   One statement runs at a time; whoever comes meanwhile is told (`Turn`).
-   Hooks that a nested block has registered are part of it: its undoing forgets on_commit, and calls on_rollback.

With several members, commit prepares those that can be prepared, commits the others, the flow's own database last of
them, then what was prepared.  It is atomic if all but one can be prepared, short of losing a database between the
phases; else best effort, and CommitIncomplete says what was committed.

What it does not do: deciding when (`run`, `blocks`), or which scope is the ambient one (`ambient`).
"""

from __future__ import annotations

import contextlib
import enum
import itertools
import uuid
import warnings
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple, TypeVar, cast

from skerry.flow.aio.abc import AsyncFollower, AsyncMember, AsyncParticipant
from skerry.flow.aio.primitives import Alarm, settled, sleep, to_the_end
from skerry.flow.ambient import Ambient, enter, leave
from skerry.flow.modes import Modes
from skerry.flow.report import StageReport
from skerry.flow.turn import Turn
from skerry.isolation import milliseconds
from skerry_engine import errors

if TYPE_CHECKING:
    from contextvars import Token

T = TypeVar("T")
Hook = Callable[[], object]

_numbers = itertools.count(1)
_INTERRUPTION_S = 0.002
"""How long to wait for a statement that was cancelled, before it is cancelled again."""


class _Frame(NamedTuple):
    """A nested block: its savepoint's name, and how many hooks of each kind there were before it."""

    name: str
    before: int
    committed: int
    rolled_back: int


class ScopeState(enum.Enum):
    """Where a scope stands."""

    OPEN = "open"
    COMMITTED = "committed"
    ROLLED_BACK = "rolled back"


class AsyncTransactionScope:
    """See the module.  As a context manager it is the ambient one inside, and rolls back what was not committed."""

    def __init__(
        self,
        modes: Modes,
        *,
        timeout: float | None = None,
        rollback_on_error: bool = True,
        primary: AsyncParticipant | None = None,
    ) -> None:
        """`timeout` in seconds, from now on; `primary` is the database that commits last."""
        self.modes = modes
        self.rollback_on_error = rollback_on_error
        self.state = ScopeState.OPEN
        self.primary = primary
        self.report: StageReport | None = None
        self._timeout_s = timeout
        self._members: dict[AsyncParticipant, AsyncMember] = {}
        self._marked: dict[AsyncParticipant, list[str]] = {}
        self._excluded: set[AsyncParticipant] = set()
        self._frames: list[_Frame] = []
        self._followers: list[AsyncFollower] = []
        self._before: list[Hook] = []
        self._committed: list[Hook] = []
        self._rolled_back: list[Hook] = []
        self._locals: dict[object, object] = {}
        self._cause: BaseException | None = None
        self._turn = Turn()
        self._is_expired = False
        self._token: Token[Ambient | None] | None = None
        self._alarm: Alarm | None = None
        if timeout is not None:
            milliseconds(timeout)  # which checks it
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
    def cause(self) -> BaseException | None:
        """What doomed it, or why it was rolled back."""
        return self._cause

    def has(self, participant: AsyncParticipant) -> bool:
        """Whether this takes part already."""
        return participant in self._members

    def excludes(self, participant: AsyncParticipant) -> bool:
        """Whether `no_tx` keeps this out."""
        return participant in self._excluded

    def exclude(self, participant: AsyncParticipant) -> None:
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
        if self._is_expired:
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

    async def use(
        self, participant: AsyncParticipant, work: Callable[[AsyncMember], object] | None = None
    ) -> object:
        """Do something with a participant, which is enlisted by its first use; what `work(member)` gave, or the member.

        Raises what `check_open` raises, ConcurrentUse while another task is at it.
        """
        with self._turn:
            self.check_open()
            try:
                member = await self._enlisted(participant)
                given = member if work is None else await settled(work(member))
                if self._is_expired:
                    raise self._too_late()
                return given
            except BaseException as problem:
                if self._is_expired:
                    await to_the_end(self._give_up())
                    raise self._too_late() from problem
                raise

    async def _enlisted(self, participant: AsyncParticipant) -> AsyncMember:
        member = self._members.get(participant)
        if member is None:
            member = await participant.enlist(self.modes, participant not in self._excluded)
            self._members[participant] = member
            self._marked[participant] = []
        marked = self._marked[participant]
        for name, *_ in self._frames[len(marked) :]:
            await member.savepoint(name)
            marked.append(name)
        return member

    def local(self, key: object, make: Callable[[], T]) -> T:
        """What belongs to this transaction under a key, made by its first use (an ORM session, a cache)."""
        if key not in self._locals:
            self._locals[key] = make()
        return cast("T", self._locals[key])

    def follow(self, follower: AsyncFollower) -> int:
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

    async def enter(self) -> int:
        """Enter a nested block: what leaves or undoes it.  Savepoints follow when something is used inside."""
        self.check_open()
        await self._tell_entered()
        hooks = (len(self._before), len(self._committed), len(self._rolled_back))
        self._frames.append(_Frame(f"flow_{next(_numbers)}", *hooks))
        return len(self._frames)

    async def _tell_entered(self) -> None:
        try:
            for follower in self._followers:
                await follower.entered()
        except BaseException as problem:
            self.doom(problem)
            raise

    async def leave(self, depth: int) -> None:
        """Leave a nested block; its changes stay.  If that fails, it is undone and the failure raised."""
        name = self._innermost(depth).name
        if self.state is ScopeState.OPEN:
            try:
                for follower in self._followers:
                    await follower.left()
                with self._turn:
                    await self._release(name)
            except BaseException:
                await self.undo(depth)
                raise
        self._frames.pop()

    async def _release(self, name: str) -> None:
        for participant, marked in self._marked.items():
            if marked and marked[-1] == name:
                await self._members[participant].release_savepoint(name)
                marked.pop()

    async def undo(self, depth: int) -> None:
        """Undo a nested block and leave it.  If that fails, the whole is doomed and the failure raised."""
        frame = self._innermost(depth)
        self._frames.pop()
        if self.state is not ScopeState.OPEN:
            return
        name = frame.name
        try:
            with self._turn:
                for participant, marked in self._marked.items():
                    if marked and marked[-1] == name:
                        marked.pop()
                        member = self._members[participant]
                        await member.rollback_to_savepoint(name)
                        await member.release_savepoint(name)
            for follower in self._followers:
                follower.undone(depth)
        except BaseException as problem:
            self.doom(problem)
            raise
        del self._before[frame.before :], self._committed[frame.committed :]
        hooks = self._rolled_back[frame.rolled_back :]
        if hooks:
            del self._rolled_back[frame.rolled_back :]
            await _call_all(hooks)

    def _innermost(self, depth: int) -> _Frame:
        if len(self._frames) != depth:
            self.doom(errors.ConcurrentUse("two tasks have opened blocks inside one transaction"))
            raise errors.ConcurrentUse(
                "blocks inside one transaction end in another order than they began: two tasks share it"
            )
        return self._frames[-1]

    def doom(self, cause: BaseException) -> None:
        """Make sure that it is never committed."""
        if self._cause is None and self.state is ScopeState.OPEN:
            self._cause = cause

    # --- ends -------------------------------------------

    async def commit(self) -> None:
        """Commit all, or raise: it is rolled back then.

        Raises what `check_open` raises, what the databases raise, CommitIncomplete when some have committed already.
        """
        with self._turn:
            try:
                self.check_open()
                if self._frames:
                    raise errors.InvalidTransactionState("the transaction has nested blocks that are open")
                if self._before or self._followers:
                    await self._call_before()
                await to_the_end(self._commit_members())
            except BaseException as problem:
                if self.state is ScopeState.OPEN:
                    self.doom(problem)
                    await to_the_end(self._roll_back_members())
                raise
        if self._committed:
            await _call_all(self._committed)

    async def _call_before(self) -> None:
        self._turn.leave()
        try:
            for hook in self._before:
                await settled(hook())
            for follower in self._followers:
                await follower.finish()
        finally:
            self._turn.take()
        self.check_open()

    async def _commit_members(self) -> None:
        members = list(self._members.values())
        if len(members) == 1:
            await members[0].commit()
        elif members:
            await self._commit_several(members)
        await self._end(ScopeState.COMMITTED)

    async def _commit_several(self, members: list[AsyncMember]) -> None:
        """Two phases where they can be had; those that can't be prepared commit between them."""
        primary = self._members.get(self.primary) if self.primary is not None else None
        members.sort(key=lambda each: (each.is_database, each is primary))
        single = [each for each in members if not each.is_two_phase]
        double = [each for each in members if each.is_two_phase]
        if not single:
            single = [double.pop()]
        name = f"flow_{uuid.uuid4().hex}"
        prepared: list[AsyncMember] = []
        done: list[str] = []
        try:
            for each in double:
                await each.prepare(f"{name}_{len(prepared)}")
                prepared.append(each)
            for each in single:
                await each.commit()
                done.append(each.name)
        except BaseException as problem:
            for number, each in enumerate(prepared):
                with contextlib.suppress(Exception):
                    await each.rollback_prepared(f"{name}_{number}")
            if done:
                raise self._incomplete(done, members) from problem
            raise
        for number, each in enumerate(prepared):
            await each.commit_prepared(f"{name}_{number}")

    def _incomplete(self, done: list[str], members: list[AsyncMember]) -> errors.CommitIncomplete:
        missing = [each.name for each in members if each.name not in done]
        return errors.CommitIncomplete(
            f"{', '.join(done)} had committed already when {', '.join(missing)} could not",
            hint="Only databases with two-phase commit are atomic together.",
        )

    async def rollback(self, cause: BaseException | None = None) -> None:
        """Roll back; nothing happens when it has ended already."""
        if self.state is not ScopeState.OPEN:
            return
        if cause is not None:
            self.doom(cause)
        await to_the_end(self._interrupt_and_roll_back())

    async def _interrupt_and_roll_back(self) -> None:
        """Have a statement that another task or thread still runs fail, then roll back."""
        while not self._turn.take():
            await self._cancel_members()
            await sleep(_INTERRUPTION_S)
        try:
            if self.state is ScopeState.OPEN:
                await self._roll_back_members()
        finally:
            self._turn.leave()

    async def _cancel_members(self) -> None:
        for member in list(self._members.values()):
            with contextlib.suppress(Exception):
                await member.cancel()

    async def reset(self) -> None:
        """Roll back, and be as new: for another attempt."""
        with self._turn:
            await to_the_end(self._roll_back_open())
            self._members.clear()
            self._marked.clear()
            self._end_followers(False)
            self._locals.clear()
            self._before.clear()
            self._committed.clear()
            self._rolled_back.clear()

    async def _roll_back_members(self) -> None:
        await self._roll_back_open()
        self._frames.clear()
        await self._end(ScopeState.ROLLED_BACK, close=False)
        if self._rolled_back:
            await _call_all(self._rolled_back)

    async def _roll_back_open(self) -> None:
        for member in self._members.values():
            is_usable = True
            try:
                await member.rollback()
            except Exception:  # a connection that can't roll back is closed: that rolls back
                is_usable = False
            with contextlib.suppress(Exception):
                await member.close(is_usable)

    async def _end(self, state: ScopeState, close: bool = True) -> None:
        self.state = state
        if self._alarm is not None:
            self._alarm.call_off()
        if self.report is not None and self._members:
            if state is ScopeState.COMMITTED:
                self.report.commits += 1
            else:
                self.report.rollbacks += 1
        if close:
            for member in self._members.values():
                await member.close(True)
        self._end_followers(state is ScopeState.COMMITTED)
        self._locals.clear()

    def _end_followers(self, committed: bool) -> None:
        followers, self._followers = self._followers, []
        for follower in followers:
            follower.ended(committed)

    # --- the deadline -----------------------------------

    async def _expire(self) -> None:
        """The time is up: roll back now, or have the statement that runs fail, and whoever runs it roll back."""
        if self.state is not ScopeState.OPEN:
            return
        self._is_expired = True
        if self._turn.take():
            try:
                await self._give_up()
            finally:
                self._turn.leave()
            return
        await self._cancel_members()

    async def _give_up(self) -> None:
        if self.state is ScopeState.OPEN:
            self._cause = self._cause or self._too_late()
            await self._roll_back_members()

    # --- as a context manager: by hand ------------------

    async def __aenter__(self) -> AsyncTransactionScope:
        self.check_open()
        self._token = enter(Ambient.inside(self))
        return self

    async def __aexit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._token is not None
        leave(self._token)
        await self.rollback(exception)

    def __del__(self) -> None:
        if getattr(self, "state", None) is not ScopeState.OPEN or not self._members:
            return
        warnings.warn("a transaction was forgotten, and is rolled back", ResourceWarning, stacklevel=2)
        for member in self._members.values():
            with contextlib.suppress(Exception):
                member.abandon()


async def _call_all(hooks: list[Hook]) -> None:
    """Call every hook; the first failure is raised when all have been called."""
    first: BaseException | None = None
    for hook in hooks:
        try:
            await settled(hook())
        except Exception as problem:
            first = first or problem
    if first is not None:
        raise first
