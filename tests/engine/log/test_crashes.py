"""Whatever happens to the machine, what was promised is in the log, and nothing else than what was written.

A seed makes a script of everything a log is used for.  It runs once, on a disk that records.  Then, after each of its
operations, the power is cut in several ways, and what is left is opened, compared with what was promised up to there,
continued, and cut again.
"""

from __future__ import annotations

import errno
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

import pytest
from support.builds import this_builds
from support.crash_disk import CrashDisk

from skerry_engine.errors import DatabaseDamaged, DurabilityLost
from skerry_engine.log.format import Record
from skerry_engine.log.reader import check_log, open_log
from skerry_engine.log.writer import Group, LogWriter

CLUSTER = bytes(range(16))
SEGMENT = 2560


@dataclass(frozen=True)
class Promise:
    """From one operation on: the groups that may be there, how many must be, and what the base holds."""

    groups: tuple[tuple[Record, ...], ...]
    durable: int
    base: int

    def broken_by(self, found: Sequence[Record]) -> str | None:
        """Why these records are not what was promised."""
        later = [[record for record in group if record.epoch > self.base] for group in self.groups]
        for count in range(len(later), self.durable - 1, -1):
            if [record for group in later[:count] for record in group] == list(found):
                return None
        epochs = [record.epoch for record in found]
        return f"{len(found)} records {epochs[:3]}...{epochs[-3:]}: not {self.durable} to {len(later)} groups"


@dataclass
class World:
    """A log in use, and what its user was promised."""

    disk: CrashDisk
    log: LogWriter
    random: Random
    groups: list[tuple[Record, ...]] = field(default_factory=list)
    taken: list[tuple[Group, tuple[Record, ...]]] = field(default_factory=list)
    pending: list[Record] = field(default_factory=list)
    durable: int = 0
    base: int = 0
    epoch: int = 0
    is_housekeeping: bool = False
    promises: list[tuple[int, Promise]] = field(default_factory=list)

    def promise(self) -> None:
        promise = Promise(tuple(self.groups), self.durable, self.base)
        self.promises.append((len(self.disk.journal), promise))

    def promised(self, at: int) -> Promise:
        return self.promises[bisect_right(self.promises, at, key=lambda each: each[0]) - 1][1]

    # --- what a script does -----------------------------------------------------------------------------------

    def append(self) -> None:
        for _ in range(self.random.randint(1, 3)):
            self.epoch += self.random.randint(0, 1) if self.pending else 1
            size = self.random.choice([0, 1, 20, 200, 500, 900, self.random.randint(1000, 5000)])
            record = Record(self.random.randrange(256), self.epoch, self.random.randbytes(size))
            self.log.append(*record)
            self.pending.append(record)

    def take(self) -> None:
        group = self.log.take()
        if group is not None:
            self.taken.append((group, tuple(self.pending)))
            self.pending = []

    def write(self) -> None:
        if not self.taken:
            self.append()
            self.take()
        group, records = self.taken.pop(0)
        is_synced = self.random.random() < 0.6
        self.groups.append(records)
        self.promise()
        self.log.write(group, is_synced)
        self._kept(is_synced)

    def sync(self) -> None:
        self.log.sync()
        self._kept(True)

    def _kept(self, is_synced: bool) -> None:
        if is_synced:
            self.durable = len(self.groups)
            assert self.log.durable_epoch == self.log.written_epoch
        self.promise()

    def checkpoint(self) -> None:
        self.base = self.random.randint(self.base, max(self.base, self.log.durable_epoch))
        self.promise()
        self.log.release_through(self.base)

    def prepare(self) -> None:
        self.log.prepare(self.random.choice([0, 0, 3000]))

    def stop(self) -> None:
        """A clean stop, or none, and another start: what was only in memory is gone."""
        if self.random.random() < 0.5:
            while self.taken:
                self.write()
            if self.pending:
                self.groups.append(tuple(self.pending))
                self.promise()
            self.pending = []
            self.log.seal()
            self._kept(True)
        else:
            self.log.close()
        self.start()

    def start(self) -> None:
        self.pending, self.taken = [], []
        contents = open_log(self.disk, CLUSTER, self.base)
        found = list(contents.records(self.base))
        assert Promise(tuple(self.groups), self.durable, self.base).broken_by(found) is None
        while sum(self._later(group) for group in self.groups) > len(found):
            self.groups.pop()
        self.log = contents.writer(SEGMENT)
        self.durable = len(self.groups)
        self.epoch = max(contents.last_epoch, self.base)
        self.promise()

    def _later(self, group: tuple[Record, ...]) -> int:
        return sum(record.epoch > self.base for record in group)

    def step(self) -> None:
        actions: list[Callable[[], None]] = [
            self.append,
            self.append,
            self.take,
            self.write,
            self.write,
            self.write,
        ]
        actions += [self.sync, self.prepare, self.checkpoint, self.stop]
        self.random.choice(actions)()


def new_world(seed: int) -> World:
    """A log that is made, and all that is durable of it: the journal begins after that."""
    making = CrashDisk()
    LogWriter.create(making, CLUSTER, SEGMENT).close()
    disk = CrashDisk(making.files, seed)
    world = World(disk, open_log(disk, CLUSTER, 0).writer(SEGMENT), Random(seed))
    world.promises.append((0, Promise((), 0, 0)))
    return world


def examine(state: CrashDisk, promise: Promise, random: Random, depth: int) -> None:
    """Open what a power cut has left, compare, go on, and cut the power again."""
    begin = len(state.journal)
    contents = open_log(state, CLUSTER, promise.base)
    found = list(contents.records(promise.base))
    assert promise.broken_by(found) is None
    assert not any(finding.is_damage for finding in check_log(state, CLUSTER))
    assert contents.first_epoch <= promise.base + 1
    if not depth:
        return
    log = contents.writer(SEGMENT)
    groups = [tuple(found)] if found else []
    promises = [Promise(tuple(groups), len(groups), promise.base)]
    marks = [len(state.journal)]
    for epoch in range(contents.last_epoch + 1, contents.last_epoch + 4):
        record = Record(1, epoch, random.randbytes(random.choice([10, 300, 800, 3000])))
        log.append(*record)
        group = log.take()
        assert group is not None
        groups.append((record,))
        promises.append(Promise(tuple(groups), promises[-1].durable, promise.base))
        marks.append(len(state.journal))
        log.write(group, epoch % 2 == 0)
        durable = len(groups) if epoch % 2 == 0 else promises[-1].durable
        promises.append(Promise(tuple(groups), durable, promise.base))
        marks.append(len(state.journal))
    for at, then in state.replay():
        # While the end is made fit to go on, what was found is not promised yet.
        held = promise if at < marks[0] else promises[bisect_right(marks, at) - 1]
        for again in then.crashes(random, 2) if at >= begin else ():
            examine(again, held, random, depth - 1)


def run(world: World, steps: int) -> None:
    for _ in range(steps):
        world.step()


@pytest.mark.parametrize("seed", this_builds(range(8)))
def test_a_power_cut_at_any_moment(seed: int) -> None:
    world = new_world(seed)
    run(world, 50)
    random = Random(seed)
    cuts = 0
    for at, then in world.disk.replay():
        for state in then.crashes(random, 8):
            examine(state, world.promised(at), random, 1 if random.random() < 0.05 else 0)
            cuts += 1
    assert cuts > 200


FAILURES = [
    *((kind, error) for kind in ("write", "sync", "sync_directory") for error in (errno.ENOSPC, errno.EIO)),
    ("rename", errno.EIO),
    ("truncate", errno.ENOSPC),
    ("remove", errno.EROFS),
    ("create", errno.EROFS),
    ("open", errno.EMFILE),
]


@pytest.mark.parametrize("seed", this_builds(range(2)))
@pytest.mark.parametrize(("kind", "error"), FAILURES)
def test_after_a_failure_nothing_is_promised_that_is_not_there(kind: str, error: int, seed: int) -> None:
    """Failures, new starts on the same disk, which may show what it does not hold, and power cuts."""
    world = new_world(seed)
    failed = 0
    world.disk.fail(kind, 1, error)
    for _ in range(80):
        try:
            world.step()
        except (OSError, DurabilityLost):
            failed += 1
            world.disk.heal()
            world.log.close()
            world.start()
            world.disk.fail(kind, world.random.randint(1, 3), error)
    assert failed > 1
    random = Random(seed)
    for at, then in world.disk.replay():
        for state in then.crashes(random, 3):
            examine(state, world.promised(at), random, 0)


def test_a_crash_while_a_log_is_made() -> None:
    """It is made again; once it was made, it is there."""
    disk = CrashDisk()
    LogWriter.create(disk, CLUSTER, SEGMENT).close()
    random = Random(0)
    for at, then in disk.replay():
        for state in then.crashes(random, 30):
            if at == len(disk.journal):
                assert state.list("log") == ["00000001.log"]
                assert open_log(state, CLUSTER, 0).torn is None
            log = LogWriter.create(state, CLUSTER, SEGMENT)
            log.append(1, 1, b"x")
            log.seal()
            assert list(open_log(state, CLUSTER, 0).records(0)) == [Record(1, 1, b"x")]


def test_what_was_cut_off_does_not_come_back() -> None:
    """Two groups are written and not synced, the first is lost; another one of its size is written instead.

    The second one stands just where it goes on, with the right number.
    """
    world = new_world(0)
    for epoch in (1, 2):
        world.log.append(1, epoch, bytes([epoch]) * 600)
        group = world.log.take()
        assert group is not None
        world.log.write(group, False)
    met = 0
    for state in world.disk.crashes(Random(0), 200):
        contents = open_log(state, CLUSTER, 0)
        if contents.last_epoch == 0:
            log = contents.writer(SEGMENT)
            log.append(1, 1, b"x" * 600)
            log.seal()
            assert list(open_log(state, CLUSTER, 0).records(0)) == [Record(1, 1, b"x" * 600)]
            assert check_log(state, CLUSTER) == []
            met += contents.torn is not None
    assert met


def counted(kind: str) -> int:
    """How often a short use of a log does something."""
    world = new_world(0)
    world.disk.calls.clear()
    short_use(world)
    return world.disk.calls[kind]


def short_use(world: World) -> None:
    """Several segments, one of them large, with and without sync, released and taken up again."""
    for size in (100, 1500, 1500, 6000, 1500, 1500, 1500, 1500):
        world.epoch += 1
        record = Record(1, world.epoch, bytes(size))
        world.log.append(*record)
        group = world.log.take()
        assert group is not None
        world.groups.append((record,))
        world.log.write(group, world.epoch % 3 != 0)
        if world.epoch % 3:
            world.durable = len(world.groups)
        if world.epoch == 6:
            world.base = 4
            world.is_housekeeping = True
            world.log.release_through(4)
            world.is_housekeeping = False
    world.log.sync()
    world.durable = len(world.groups)


def assert_refuses(log: LogWriter) -> None:
    for refused in (lambda: log.append(1, 9, b""), log.take, log.sync, log.seal):
        with pytest.raises(DurabilityLost, match="the log could not be written"):
            refused()


@pytest.mark.parametrize(
    "kind", ["write", "sync", "rename", "sync_directory", "create", "truncate", "open", "remove"]
)
@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EMFILE])
def test_each_single_failure(kind: str, error: int) -> None:
    """The error is the system's; the writer then refuses everything, and no file stays open; what was promised is
    there after a new start and after a power cut."""
    times = counted(kind)
    assert times
    for nth in range(1, times + 1):
        world = new_world(0)
        world.disk.fail(kind, nth, error)
        with pytest.raises(OSError) as caught:
            short_use(world)
        assert caught.value.errno == error
        # A segment that could not be given up is still there; only a removal that is in doubt is too much.
        if not world.is_housekeeping or kind == "sync_directory":
            assert_refuses(world.log)
        world.log.close()
        assert world.disk.open_files == 0
        promise = Promise(tuple(world.groups), world.durable, world.base)
        for state in world.disk.crashes(Random(nth), 5):
            examine(state, promise, Random(nth), 0)
        world.disk.heal()
        examine(world.disk, promise, Random(nth), 1)


def test_a_full_disk_is_known_before_anything_depends_on_it() -> None:
    world = new_world(0)
    world.disk.fail("write", 1, errno.ENOSPC, for_good=True)
    assert not world.log.fits(3000)
    for _ in range(3):
        with pytest.raises(OSError) as caught:
            world.log.prepare(3000)
        assert caught.value.errno == errno.ENOSPC
        assert world.disk.list("log") == ["00000001.log"]
        assert not world.log.has_spare
    assert world.log.fits(500)
    world.disk.heal()
    world.log.append(1, 1, b"x")
    world.log.seal()
    assert open_log(world.disk, CLUSTER, 0).last_epoch == 1


def test_without_checks_the_crashes_would_be_noticed() -> None:
    """The disk is no kinder than it says: a log that does not sync loses what it promised."""
    world = new_world(1)
    world.disk.do = lambda operation: (  # type: ignore[method-assign]
        None if operation[0] == "sync" else CrashDisk.do(world.disk, operation)
    )
    run(world, 20)
    lost = 0
    for state in world.disk.crashes(Random(1), 50):
        try:
            examine(state, world.promised(len(world.disk.journal)), Random(1), 0)
        except (AssertionError, DatabaseDamaged):
            lost += 1
    assert lost
