"""The base: what was put is read, checkpoint by checkpoint; what is not whole is refused."""

from __future__ import annotations

import errno
import os
import random
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from support.base_writing import CLUSTER, begun, checkpoint, finished
from support.builds import this_builds

from skerry_engine.base import environment
from skerry_engine.base.blocks import (
    FORMAT_VERSION,
    MAX_KEY_BYTES,
    ROOT_KEY,
    RootRecord,
    describe_key,
    leaf_prefix,
    meta_key,
    page_key,
    page_prefix,
    unpack_root,
)
from skerry_engine.base.environment import Base
from skerry_engine.base.writer import BaseWriter
from skerry_engine.errors import DatabaseDamaged, DatabaseError, IncompatibleFormat


def opened(path: Path, least_epoch: int = 0, map_bytes: int = 1 << 26) -> Base:
    return Base(str(path / "base"), CLUSTER, least_epoch, map_bytes)


def random_key(rng: random.Random) -> bytes:
    kind = rng.randrange(3)
    if kind == 0:
        return meta_key(rng.choice(["catalog", "storages", "größe"]))
    if kind == 1:
        return page_key(rng.randrange(3), rng.randrange(40))
    return (leaf_prefix(rng.randrange(2)) + rng.randbytes(rng.choice([0, 1, 2, 502])))[:MAX_KEY_BYTES]


def assert_same(base: Base, model: dict[bytes, bytes], rng: random.Random) -> None:
    keys = sorted(model)
    for key in keys:
        assert base.get(key) == model[key]
    for _ in range(30):
        probe = rng.choice(keys) if keys and rng.random() < 0.4 else random_key(rng)
        below = [key for key in keys if key <= probe]
        above = [key for key in keys if key > probe]
        assert base.at_or_before(probe) == ((below[-1], model[below[-1]]) if below else None)
        assert base.after(probe) == ((above[0], model[above[0]]) if above else None)
        if probe not in model:
            assert base.find(probe) is None
            with pytest.raises(DatabaseDamaged, match="is missing"):
                base.get(probe)


@pytest.mark.parametrize("seed", this_builds(range(12)))
def test_random_checkpoints_leave_what_a_dict_would_hold(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    base = opened(tmp_path)
    model: dict[bytes, bytes] = {}
    epoch = 0
    for _ in range(25):
        then = dict(model)
        writer = begun(base)
        for _ in range(rng.randrange(40)):
            key = random_key(rng)
            data = None if rng.random() < 0.3 else rng.randbytes(rng.choice([0, 10, 300, 3000, 20_000]))
            assert writer.put_many([(key, data)]) == 1
            if data is None:
                then.pop(key, None)
            else:
                then[key] = data
        if rng.random() < 0.3:
            prefix = rng.choice([page_prefix(rng.randrange(3)), leaf_prefix(rng.randrange(2))])
            while not writer.remove(prefix, rng.randrange(1, 9)):
                pass
            then = {key: data for key, data in then.items() if not key.startswith(prefix)}
        assert_same(base, model, rng)  # nothing of it is seen before it is adopted
        if rng.random() < 0.25:
            finished(writer.abort())
            base.adopt()
        else:
            epoch += rng.randrange(1, 5)
            finished(writer.commit(epoch, [("name", b"%d" % epoch)]))
            assert_same(base, model, rng)
            base.adopt()
            model = then | {meta_key("name"): b"%d" % epoch}
        assert base.epoch == epoch
        assert_same(base, model, rng)
        assert not [line for found in base.verify(7) for line in found]
        if rng.random() < 0.3:
            base.close()
            base = opened(tmp_path, epoch)
    base.close()
    base.close()


def test_a_base_that_is_new_is_empty_and_private(tmp_path: Path) -> None:
    base = opened(tmp_path)
    assert base.epoch == 0
    assert base.after(b"") is None and base.at_or_before(b"\xff") is None
    assert stat.S_IMODE((tmp_path / "base").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "base" / "data.mdb").stat().st_mode) == 0o600
    assert base.size_bytes() == (tmp_path / "base" / "data.mdb").stat().st_size
    base.close()


def test_putting_stops_when_its_time_is_up_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    base = opened(tmp_path)
    writer = begun(base)
    blocks = [(page_key(1, number), b"x") for number in range(5)]
    done = 0
    while done < len(blocks):
        assert writer.put_many(blocks[done:], deadline_s=0.0) == 1
        done += 1
    finished(writer.commit(1, ()))
    base.adopt()
    assert [base.get(key) for key, _ in blocks] == [b"x"] * 5
    base.close()


def test_the_end_is_told_to_those_that_asked_before_and_after(tmp_path: Path) -> None:
    base = opened(tmp_path)
    writer = begun(base)
    told = threading.Event()
    completion = writer.commit(3, ())
    completion.on_over(told.set)
    assert told.wait(60)
    late: list[bool] = []
    completion.on_over(lambda: late.append(completion.is_over()))
    assert late == [True]
    assert completion.deadline_s() is None
    base.close()


def test_a_full_map_ends_the_checkpoint_and_grows_before_the_next(tmp_path: Path) -> None:
    base = opened(tmp_path, map_bytes=1 << 18)
    checkpoint(base, 1, [(page_key(1, 0), b"first")])
    big = [(page_key(2, number), bytes(4000)) for number in range(200)]
    attempts = 0
    while True:
        writer = begun(base)
        try:
            writer.put_many(big)
        except OSError as error:
            assert "full" in str(error)
            finished(writer.abort())
            assert base.get(page_key(1, 0)) == b"first" and base.epoch == 1
            assert base.find(page_key(2, 0)) is None
            attempts += 1
            continue
        finished(writer.commit(2, ()))
        break
    assert attempts > 0
    base.adopt()
    assert all(base.get(key) == data for key, data in big)
    base.close()
    reopened = opened(tmp_path, 2, map_bytes=1 << 18)  # smaller than the file: the file's size counts
    assert all(reopened.get(key) == data for key, data in big)
    checkpoint(reopened, 3, big)
    reopened.close()


def test_a_map_neither_grows_nor_is_closed_under_a_copy(tmp_path: Path) -> None:
    base = opened(tmp_path, map_bytes=1 << 18)
    copy = base.copying()
    base.grow()
    base.give_back_memory()
    assert base.environment.info()["map_size"] == 1 << 18
    copy.end()
    base.grow()
    assert base.environment.info()["map_size"] > 1 << 18
    base.close()


def test_a_copy_holds_what_was_committed_last_while_a_checkpoint_is_written(tmp_path: Path) -> None:
    base = opened(tmp_path)
    checkpoint(base, 4, [(page_key(1, 0), b"four")])
    writer = begun(base)
    writer.put_many([(page_key(1, 0), b"five")])
    (tmp_path / "copy" / "base").mkdir(parents=True)
    copying = base.copying()
    copying.write(str(tmp_path / "copy" / "base"))
    copying.end()
    finished(writer.commit(5, ()))
    base.adopt()
    copy = opened(tmp_path / "copy", 4)
    assert (copy.epoch, copy.get(page_key(1, 0))) == (4, b"four")
    assert (base.epoch, base.get(page_key(1, 0))) == (5, b"five")
    with pytest.raises(OSError):
        base.copying().write(str(tmp_path / "nowhere"))
    copy.close()
    base.close()


def test_memory_is_given_back_and_reading_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = opened(tmp_path)
    checkpoint(base, 1, [(page_key(1, number), bytes(3000)) for number in range(100)])
    assert base.unreturned_bytes > 100 * 3000
    base.give_back_memory()
    assert base.unreturned_bytes == 0
    assert (base.epoch, base.get(page_key(1, 99))) == (1, bytes(3000))
    checkpoint(base, 2, [(page_key(1, 0), b"two")])

    def refuse(*arguments: object, **options: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(environment, "_open", refuse)
        with pytest.raises(OSError, match="Too many open files"):
            base.give_back_memory()
        for read in (base.get, base.after, base.at_or_before):
            with pytest.raises(DatabaseError, match=r"could not open base/data\.mdb"):
                read(page_key(1, 0))
    assert (base.epoch, base.get(page_key(1, 0)), base.get(page_key(1, 1))) == (2, b"two", bytes(3000))
    checkpoint(base, 3, [(page_key(1, 0), b"three")])
    assert base.get(page_key(1, 0)) == b"three"
    base.close()


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from support.base_writing import CLUSTER, begun, checkpoint, finished
from skerry_engine.base.blocks import page_key
from skerry_engine.base.environment import Base

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
base = Base(sys.argv[1], CLUSTER)
checkpoint(base, 1, [(page_key(1, number), b"one" * 1000) for number in range(50)])
limit = base.size_bytes() + 4096
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
failures = 0
for size in (1000, 3000):
    writer = begun(base)
    try:
        writer.put_many([(page_key(1, number), b"two" * size) for number in range(200)])
        finished(writer.commit(2, ()))
    except OSError as error:
        assert error.errno, error
        failures += 1
    else:
        raise AssertionError("it fitted")
    assert base.epoch == 1 and base.get(page_key(1, 7)) == b"one" * 1000
    base.adopt()
    assert base.epoch == 1 and base.get(page_key(1, 7)) == b"one" * 1000
assert failures == 2
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
checkpoint(base, 3, [(page_key(1, number), b"three") for number in range(200)])
base.close()
base = Base(sys.argv[1], CLUSTER, 3)
assert all(base.get(page_key(1, number)) == b"three" for number in range(200))
print("whole")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on the size of files there")
def test_a_file_that_can_not_grow_ends_the_checkpoint_not_the_base(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path / "base")],
        capture_output=True,
        check=False,
        text=True,
        timeout=100,
        env={"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        cwd=Path(__file__).parents[2],
    )
    assert (ran.stdout, ran.returncode) == ("whole\n", 0), ran.stderr


LITTLE_ADDRESS_SPACE = """
import resource, sys
from support.base_writing import CLUSTER, checkpoint
from skerry_engine.base.blocks import page_key
from skerry_engine.base.environment import DEFAULT_MAP_BYTES, Base

resource.setrlimit(resource.RLIMIT_AS, (8 << 30, resource.RLIM_INFINITY))
base = Base(sys.argv[1], CLUSTER)
assert 1 << 30 <= base.environment.info()["map_size"] < DEFAULT_MAP_BYTES
checkpoint(base, 1, [(page_key(1, 0), b"row")])
print(base.get(page_key(1, 0)).decode())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="address space is limited so on Linux")
def test_where_address_space_is_scarce_less_is_reserved(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", LITTLE_ADDRESS_SPACE, str(tmp_path / "base")],
        capture_output=True,
        check=False,
        text=True,
        timeout=100,
        env={"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )
    assert (ran.stdout, ran.returncode) == ("row\n", 0), ran.stderr


def put_root(path: Path, data: bytes | None) -> None:
    """Replace the root record behind the base's back."""
    base = opened(path)
    with base.environment.begin(write=True, db=base.root) as transaction:
        if data is None:
            transaction.delete(ROOT_KEY)
        else:
            transaction.put(ROOT_KEY, data)
    base.close()


def made(path: Path, epoch: int = 5) -> None:
    base = opened(path)
    checkpoint(base, epoch, [(page_key(1, 0), b"row"), (page_key(1, 1), b"wor")])
    base.close()


def test_a_newer_format_is_refused_as_that(tmp_path: Path) -> None:
    made(tmp_path)
    longer = RootRecord(FORMAT_VERSION + 1, CLUSTER, 5).pack()
    put_root(tmp_path, longer)
    with pytest.raises(IncompatibleFormat, match=rf"format {FORMAT_VERSION + 1}.*up to {FORMAT_VERSION}"):
        opened(tmp_path)


@pytest.mark.parametrize("root", [None, b"", RootRecord(1, CLUSTER, 5).pack()[:-1], b"x" * 40])
def test_a_base_without_its_root_record_is_damaged(root: bytes | None, tmp_path: Path) -> None:
    made(tmp_path)
    put_root(tmp_path, root)
    with pytest.raises(DatabaseDamaged, match="root record"):
        opened(tmp_path)


def test_a_base_of_another_database_an_older_one_and_none_are_refused(tmp_path: Path) -> None:
    made(tmp_path)
    with pytest.raises(DatabaseDamaged, match="belongs to database"):
        Base(str(tmp_path / "base"), b"another database")
    with pytest.raises(DatabaseDamaged, match="epoch 5, not at epoch 6 or later"):
        opened(tmp_path, 6)
    with pytest.raises(DatabaseDamaged, match="missing; it should hold epoch 1"):
        opened(tmp_path / "elsewhere", 1)
    opened(tmp_path, 5).close()


def test_a_directory_that_is_none_and_a_file_that_is_no_base_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "base").write_text("a file")
    with pytest.raises(OSError):
        opened(tmp_path)
    (tmp_path / "other" / "base").mkdir(parents=True)
    (tmp_path / "other" / "base" / "data.mdb").write_bytes(b"not LMDB's" * 2000)
    with pytest.raises(DatabaseDamaged, match="not an LMDB file"):
        opened(tmp_path / "other")


@pytest.mark.parametrize("byte", range(len(RootRecord(FORMAT_VERSION, CLUSTER, 1 << 40).pack())))
def test_a_changed_byte_of_the_root_record_is_found(byte: int) -> None:
    data = RootRecord(FORMAT_VERSION, CLUSTER, 1 << 40).pack()
    root = unpack_root(data)
    assert (root.format_version, root.cluster_id, root.epoch) == (FORMAT_VERSION, CLUSTER, 1 << 40)
    for bit in range(8):
        changed = bytearray(data)
        changed[byte] ^= 1 << bit
        with pytest.raises(ValueError, match="checksum"):
            unpack_root(bytes(changed))


def test_what_does_not_fit_its_checksum_is_named_by_file_key_and_epoch(tmp_path: Path) -> None:
    made(tmp_path)
    base = opened(tmp_path)
    with base.environment.begin(write=True) as transaction:
        transaction.put(page_key(1, 0), b"raw", db=base.blocks)  # other bytes
        transaction.delete(page_key(1, 1), db=base.blocks)  # a block gone
        transaction.put(page_key(1, 2), b"", db=base.blocks)  # a block that nobody put
    base.adopt()
    for number in range(3):
        with pytest.raises(DatabaseDamaged) as raised:
            base.get(page_key(1, number))
        assert environment.FILE_NAME in str(raised.value)
        assert f"page {number} of storage 1" in str(raised.value) and "epoch 5" in str(raised.value)
    with pytest.raises(DatabaseDamaged):
        base.at_or_before(page_key(1, 0))
    with pytest.raises(DatabaseDamaged):
        base.after(page_key(1, 1))
    found = [line for lines in base.verify(1) for line in lines]
    assert len(found) == 3 and all(any(f"page {n} of" in line for line in found) for n in range(3))
    base.close()


def test_keys_are_told_in_words() -> None:
    assert describe_key(page_key(7, 12)) == "page 12 of storage 7"
    assert describe_key(leaf_prefix(3) + b"\x01\xff") == "the leaf at 01ff of index 3"
    assert describe_key(leaf_prefix(3)) == "the leaf at the start of index 3"
    assert describe_key(meta_key("catalog")) == "metadata 'catalog'"
    assert describe_key(b"?\x00") == "the block 3f00"


def test_a_thread_that_can_not_be_started_begins_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = opened(tmp_path)

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(OSError, match="can't start new thread"):
            BaseWriter(base).begin()
    checkpoint(base, 1, [(page_key(1, 0), b"row")])
    assert base.get(page_key(1, 0)) == b"row"
    base.close()
