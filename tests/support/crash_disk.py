"""A disk in memory that can crash and fail: what might be there afterwards, and nothing kinder.

    disk = CrashDisk()                      abc.Disk, as the operating system's, and a journal of all that changed
    for state in disk.crashes(...)          what a power cut at this moment may leave, each a disk of its own
    for at, then in replay(...)             the same disk after each operation of its journal
    disk.fail("sync", nth=3, error=EIO)     the third sync from now fails

What a power cut may leave, by what was promised and not by what some file system happens to do:
- Data.  Sectors of 512 bytes are written whole.  Each one that was written to since its file was last synced holds what
  it held at the last sync, or any of the contents that it has had since, whatever the others hold.  So it is for the
  file's length.
- Names.  Of the names (directories too) made, renamed and removed since their directory was synced, each may have happened or not; a
  rename happens whole or not at all.
- After a failed sync the system takes the data for written, though it may not be: it is read back as if it were there,
  a later sync does not write it, and a power cut may show that it is not there.

A process that is killed loses nothing: go on with the same disk.

What it does not do: sectors that are torn in themselves, damage (flip bits of `files`), directories within directories.
"""

from __future__ import annotations

import errno
import itertools
import math
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from random import Random

SECTOR = 512

Operation = tuple[str, int | str, int | str, int | bytes]
# How many possibilities a directory or a file has, one place after the other.
Parts = dict[int | str, list[int]]
Numbers = list[int]


class Inode:
    """A file's bytes as readers see them, and what of them is on the disk."""

    def __init__(self, content: bytes = b"") -> None:
        self.content = bytearray(content)
        self.durable_size = len(content)
        self.sizes: list[int] = []
        self.durable = {n: content[n * SECTOR :][:SECTOR] for n in range(-(-len(content) // SECTOR))}
        # What a sector may hold instead of what it held at the last sync.
        self.versions: dict[int, list[bytes]] = {}
        self.dirty: set[int] = set()
        self.is_size_dirty = False

    def write(self, offset: int, data: bytes) -> None:
        if offset + len(data) > len(self.content):
            self.truncate(offset + len(data))
        self.content[offset : offset + len(data)] = data
        self._touch(offset, offset + len(data))

    def truncate(self, size: int) -> None:
        before = len(self.content)
        if size == before:
            return
        self.sizes.append(size)
        self.is_size_dirty = True
        if size < before:
            del self.content[size:]
            self._touch(size, before)
        else:
            self.content.extend(bytes(size - before))

    def _touch(self, start: int, end: int) -> None:
        for number in range(start // SECTOR, -(-end // SECTOR)):
            held = bytes(self.content[number * SECTOR : (number + 1) * SECTOR])
            self.versions.setdefault(number, []).append(held)
            self.dirty.add(number)

    def sync(self) -> None:
        for number in self.dirty:
            self.durable[number] = self.versions.pop(number)[-1]
        if self.is_size_dirty:
            self.durable_size = self.sizes[-1]
            self.sizes.clear()
        self.fail_sync()

    def fail_sync(self) -> None:
        """Nothing more is known than before, but the system forgets what it should still write."""
        self.dirty.clear()
        self.is_size_dirty = False

    def choices(self) -> list[int]:
        """How many possibilities there are, one after the other: for the length, then for each sector."""
        return [1 + len(self.sizes)] + [1 + len(held) for held in self.versions.values()]

    def image(self, chosen: Sequence[int]) -> bytes:
        """What is on the disk under one choice of possibilities, 0 being that of the last sync."""
        size = ([self.durable_size] + self.sizes)[chosen[0]]
        sectors = dict(self.durable)
        for (number, held), choice in zip(self.versions.items(), chosen[1:], strict=True):
            if choice:
                sectors[number] = held[choice - 1]
        whole = bytearray(-(-size // SECTOR) * SECTOR)
        for number, held_bytes in sectors.items():
            if number * SECTOR < size:
                whole[number * SECTOR : number * SECTOR + len(held_bytes)] = held_bytes
        return bytes(whole[:size])


class Directory:
    """Names: as they are, as they were synced, and what happened since."""

    def __init__(self, entries: dict[str, int]) -> None:
        self.entries = entries
        self.durable = dict(entries)
        self.pending: list[tuple[str, str, int]] = []

    def put(self, old: str, new: str, inode: int) -> None:
        """A name is made (`old` is empty), removed (`new` is empty) or changed."""
        self._apply(self.entries, (old, new, inode))
        self.pending.append((old, new, inode))

    @staticmethod
    def _apply(entries: dict[str, int], change: tuple[str, str, int]) -> None:
        old, new, inode = change
        if entries.get(old) == inode:
            del entries[old]
        if new:
            entries[new] = inode

    def sync(self) -> None:
        self.durable = dict(self.entries)
        self.pending.clear()

    def image(self, chosen: Sequence[int]) -> dict[str, int]:
        entries = dict(self.durable)
        for change, is_kept in zip(self.pending, chosen, strict=True):
            if is_kept:
                self._apply(entries, change)
        return entries


class CrashFile:
    """An open file; it stays the same file under another name, or under none."""

    def __init__(self, disk: CrashDisk, name: str, inode: int) -> None:
        self._disk = disk
        self._name = name
        self._inode = inode
        self._is_open = True
        disk.open_files += 1

    def _check(self) -> None:
        if not self._is_open:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF), self._name)

    def read(self, offset: int, size: int) -> bytes:
        self._check()
        self._disk.meet("read", self._name)
        return bytes(self._disk.inodes[self._inode].content[offset : offset + size])

    def write(self, offset: int, data: bytes) -> None:
        self._check()
        try:
            self._disk.meet("write", self._name)
        except OSError:
            # Any part may have been written before it failed.
            half = bytes(data[: self._disk.random.randrange(len(data) + 1)])
            self._disk.do(("write", self._inode, offset, half))
            raise
        self._disk.do(("write", self._inode, offset, bytes(data)))

    def sync(self) -> None:
        self._check()
        try:
            self._disk.meet("sync", self._name)
        except OSError:
            self._disk.do(("fail_sync", self._inode, 0, 0))
            raise
        self._disk.do(("sync", self._inode, 0, 0))

    def size(self) -> int:
        self._check()
        return len(self._disk.inodes[self._inode].content)

    def truncate(self, size: int) -> None:
        self._check()
        self._disk.meet("truncate", self._name)
        self._disk.do(("truncate", self._inode, size, 0))

    def close(self) -> None:
        if self._is_open:
            self._is_open = False
            self._disk.open_files -= 1


class CrashDisk:
    """The files of one directory, with one level of directories below it."""

    def __init__(self, files: dict[str, bytes] | None = None, seed: int = 0) -> None:
        """A disk that holds these files, durably."""
        self.random = Random(seed)
        self.inodes: dict[int, Inode] = {}
        self.directories = {"": Directory({})}
        for name, content in (files or {}).items():
            directory, _, last = name.rpartition("/")
            if directory not in self.directories:
                self._make_directory(directory)
            # "log/" names a directory that is there and empty.
            if last:
                self.inodes[len(self.inodes)] = Inode(content)
                self.directories[directory].entries[last] = len(self.inodes) - 1
        for each in self.directories.values():
            each.sync()
        self._first_files = self.files
        self.journal: list[Operation] = []
        self.calls: Counter[str] = Counter()
        self.open_files = 0
        self._failing: list[tuple[str, int, int, bool]] = []

    # --- abc.Disk ---------------------------------------------------------------------------------------------

    def open(self, name: str, create: bool = False) -> CrashFile:
        self.meet("open", name)
        directory, last = self._split(name)
        if last not in directory.entries:
            if not create:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
            self.meet("create", name)
            self.do(("create", name, len(self.inodes), 0))
        return CrashFile(self, name, directory.entries[last])

    def list(self, directory: str) -> Sequence[str]:
        self.meet("list", directory)
        if directory not in self.directories:
            return []
        return sorted(self.directories[directory].entries)

    def make_directory(self, name: str) -> None:
        self.meet("make_directory", name)
        if name not in self.directories:
            self.do(("make_directory", name, 0, 0))

    def rename(self, old: str, new: str) -> None:
        self.meet("rename", old)
        directory, last = self._split(old)
        if last not in directory.entries:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), old)
        self.do(("rename", old, new, 0))

    def remove(self, name: str) -> None:
        self.meet("remove", name)
        directory, last = self._split(name)
        if last not in directory.entries:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
        self.do(("remove", name, 0, 0))

    def sync_directory(self, directory: str) -> None:
        self.meet("sync_directory", directory)
        if directory not in self.directories:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), directory)
        self.do(("sync_directory", directory, 0, 0))

    def _split(self, name: str) -> tuple[Directory, str]:
        directory, _, last = name.rpartition("/")
        if directory not in self.directories:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
        return self.directories[directory], last

    # --- the journal ------------------------------------------------------------------------------------------

    def do(self, operation: Operation) -> None:
        """Carry out one operation of a journal."""
        self.journal.append(operation)
        kind, first, second, third = operation
        if isinstance(first, int):
            inode = self.inodes[first]
            if kind == "write":
                assert isinstance(second, int) and isinstance(third, bytes)
                inode.write(second, third)
            elif kind == "truncate":
                assert isinstance(second, int)
                inode.truncate(second)
            elif kind == "sync":
                inode.sync()
            else:
                assert kind == "fail_sync"
                inode.fail_sync()
            return
        self._name(kind, first, second)

    def _name(self, kind: str, name: str, argument: int | str) -> None:
        if kind == "make_directory":
            self._make_directory(name)
            return
        if kind == "sync_directory":
            self.directories[name].sync()
            return
        directory, last = self._split(name)
        if kind == "create":
            assert isinstance(argument, int)
            self.inodes[argument] = Inode()
            directory.put("", last, argument)
        elif kind == "rename":
            assert isinstance(argument, str)
            directory.put(last, argument.rpartition("/")[2], directory.entries[last])
        else:
            assert kind == "remove"
            directory.put(last, "", directory.entries[last])

    def _make_directory(self, name: str) -> None:
        """A directory is an entry whose number is no file's."""
        self.directories[name] = Directory({})
        self.directories[""].put("", name, -len(self.directories))

    @property
    def files(self) -> dict[str, bytes]:
        """What readers see, by name; a directory that is empty as its name with `/`."""
        contents = {number: bytes(inode.content) for number, inode in self.inodes.items()}
        return self._files({prefix: each.entries for prefix, each in self.directories.items()}, contents)

    @staticmethod
    def _files(names: dict[str, dict[str, int]], contents: dict[int, bytes]) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        for name, number in names[""].items():
            if number >= 0:
                found[name] = contents[number]
                continue
            found |= {f"{name}/{below}": contents[inode] for below, inode in names[name].items()}
            if not names[name]:
                found[f"{name}/"] = b""
        return found

    def replay(self) -> Iterator[tuple[int, CrashDisk]]:
        """This disk as it was after 0, 1, 2 ... operations of its journal; the same object each time."""
        disk = CrashDisk(self._first_files)
        yield 0, disk
        for at, operation in enumerate(self.journal, 1):
            disk.do(operation)
            yield at, disk

    # --- power cuts -------------------------------------------------------------------------------------------

    def crashes(self, random: Random, limit: int) -> Iterator[CrashDisk]:
        """What a power cut now may leave: everything, or that many drawn, the two extremes among them."""
        parts = self._uncertain()
        counts = [count for choices in parts.values() for count in choices]
        if math.prod(counts) <= limit:
            drawn: Iterator[Sequence[int]] = itertools.product(*map(range, counts))
        else:
            extremes = [[0] * len(counts), [count - 1 for count in counts]]
            some = ([random.randrange(count) for count in counts] for _ in range(limit - 2))
            drawn = itertools.chain(extremes, some)
        for chosen in drawn:
            yield self._image(parts, chosen)

    def _uncertain(self) -> Parts:
        """How many possibilities each directory and each file has."""
        parts: Parts = {}
        for name, directory in self.directories.items():
            parts[name] = [2] * len(directory.pending)
        for number in self._reachable():
            parts[number] = self.inodes[number].choices()
        return parts

    def _reachable(self) -> Numbers:
        found: set[int] = set()
        for directory in self.directories.values():
            found.update(directory.durable.values(), directory.entries.values())
            found.update(inode for _, _, inode in directory.pending)
        return sorted(number for number in found if number >= 0)

    def _image(self, parts: Parts, chosen: Sequence[int]) -> CrashDisk:
        taken = iter(chosen)
        shares = {part: [next(taken) for _ in counts] for part, counts in parts.items()}
        names = {prefix: each.image(shares[prefix]) for prefix, each in self.directories.items()}
        contents = {number: self.inodes[number].image(shares[number]) for number in self._reachable()}
        return CrashDisk(self._files(names, contents), self.random.randrange(1 << 30))

    # --- failures ---------------------------------------------------------------------------------------------

    def fail(self, kind: str, nth: int, error: int, for_good: bool = False) -> None:
        """Let the n-th call of a kind from now on fail, counted from 1; `for_good`: and every one after it.

        Kinds: open, create, read, write, truncate, sync, rename, remove, list, make_directory, sync_directory.
        """
        self._failing.append((kind, self.calls[kind] + nth, error, for_good))

    def heal(self) -> None:
        """No more failures."""
        self._failing.clear()

    def meet(self, kind: str, name: str) -> None:
        """Count a call; raises OSError when it is to fail."""
        self.calls[kind] += 1
        for failing, nth, error, for_good in self._failing:
            if kind == failing and (self.calls[kind] == nth or (for_good and self.calls[kind] > nth)):
                raise OSError(error, os.strerror(error), name)
