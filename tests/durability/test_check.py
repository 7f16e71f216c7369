"""`skerry check` tells all that is damaged, and nothing that is not."""

from __future__ import annotations

import random
import shutil
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.base_writing import checkpoint
from support.builds import this_builds
from support.commands import Commands
from support.durable import DurableSqlDatabase

from skerry_engine.base.blocks import leaf_prefix, meta_key, page_key, page_prefix
from skerry_engine.base.environment import Base
from skerry_engine.durability.check import check_directory
from skerry_engine.engine import Engine
from skerry_engine.errors import DatabaseInUse
from skerry_engine.log.control import read_control
from skerry_engine.log.disk import OsDisk
from skerry_engine.session.steps import Wait
from skerry_engine.storage.leaf_merge import decode_leaf, encode_leaf  # type: ignore[attr-defined]
from skerry_engine.storage.paging import pack_page
from skerry_engine.storage.row_codec import unpack_rows

COMMAND = [sys.executable, "-m", "skerry_server.commands.check"]

SETUP = (
    "create table t (id int primary key, name text, part int)",
    "create index t_name on t (name)",
    "create index t_some on t (part) where part < 3",
    "create index t_lower on t (lower(name))",
    "insert into t select n, 'Name ' || n, n % 10 from generate_series(1, 500) n",
    "delete from t where id between 70 and 200",
    "update t set name = 'other', part = 1 where id > 480",
    "alter table t add column late int default 7",
    "create table empty (a int unique)",
    "create sequence s",
)


def write_checkpoint(engine: Engine) -> None:
    durable = engine.durable
    assert durable is not None and durable.checkpointer is not None
    for step in durable.checkpointer.run():
        if isinstance(step, Wait):
            durable.flush()
            over = threading.Event()
            step.waiting.on_over(over.set)
            assert over.wait(60)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with a base, and a log that goes on behind it."""
    directory = tmp_path_factory.mktemp("check") / "database"
    database = DurableSqlDatabase(directory, *SETUP)
    write_checkpoint(database.engine)
    session = database.session()
    for number in range(1000, 1030):
        session.rows(f"insert into t values ({number}, 'later', 2)")
    session.rows("select nextval('s')")
    database.engine.close()
    return directory


@pytest.fixture
def directory(whole: Path, tmp_path: Path) -> Path:
    """A copy to be damaged."""
    return Path(shutil.copytree(whole, tmp_path / "database"))


def found_in(directory: Path) -> list[str]:
    return [finding.text for finding in check_directory(directory, COMMAND) if finding.is_damage]


def flip(path: Path, position: int, bit: int = 0) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= 1 << bit
    path.write_bytes(data)


@pytest.fixture
def base(directory: Path) -> Iterator[Base]:
    """The base of the copy, to be changed with right checksums."""
    control = read_control(OsDisk(directory))
    assert control is not None
    base = Base(str(directory / "base"), control.cluster_id)
    yield base
    base.close()


def keys_of(base: Base, prefix: bytes) -> list[bytes]:
    found = base.after(prefix)
    keys = [prefix] if base.find(prefix) is not None else []
    while found is not None and found[0].startswith(prefix):
        keys.append(found[0])
        found = base.after(found[0])
    return keys


def storage_with_pages(base: Base) -> int:
    found = base.after(page_prefix(0))
    assert found is not None
    return int.from_bytes(found[0][1:9], "big")


def test_nothing_is_wrong_with_what_is_whole(whole: Path) -> None:
    before = {
        path: path.read_bytes() for path in whole.rglob("*") if path.is_file() and path.suffix != ".lock"
    }
    assert list(check_directory(whole, COMMAND)) == []
    assert list(check_directory(whole, COMMAND)) == []
    for path, data in before.items():
        assert path.name == "lock.mdb" or path.read_bytes() == data


def test_a_database_that_is_open_is_not_checked(directory: Path) -> None:
    engine = Engine.open(str(directory))
    with pytest.raises(DatabaseInUse):
        found_in(directory)
    engine.close()
    assert found_in(directory) == []


def test_where_there_is_none_there_is_nothing_to_check(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no database"):
        found_in(tmp_path)


def test_a_damaged_control_file_is_told(directory: Path) -> None:
    flip(directory / "control", 20)
    (text,) = found_in(directory)
    assert "control is damaged" in text
    (directory / "control").unlink()
    assert found_in(directory) == ["control is missing"]


def test_a_damaged_log_is_told_beside_a_damaged_base(directory: Path) -> None:
    log = min((directory / "log").glob("*.log"))
    flip(log, 700)
    data = (directory / "base" / "data.mdb").read_bytes()
    flip(directory / "base" / "data.mdb", data.rindex(b"Name 30"))
    texts = found_in(directory)
    assert any(log.name in text and "offset" in text for text in texts)
    assert any("data.mdb" in text and "checksum" in text and "page" in text for text in texts)


def test_every_damaged_block_is_told_once(directory: Path, base: Base) -> None:
    storage = storage_with_pages(base)
    with base.environment.begin(write=True) as transaction:
        for number in (0, 3):
            transaction.put(page_key(storage, number), b"rubbish", db=base.blocks)
        transaction.delete(page_key(storage, 5), db=base.blocks)
        transaction.delete(page_key(storage, 5), db=base.sums)
    base.close()
    texts = found_in(directory)
    assert len(texts) == len(set(texts)) == 3
    for number in (0, 3, 5):
        assert any(f"page {number} of storage {storage} " in text for text in texts)


def test_a_row_that_is_missing_in_a_sound_block_is_told(directory: Path, base: Base) -> None:
    storage = storage_with_pages(base)
    key = page_key(storage, 0)
    rows = list(unpack_rows(base.get(key)))
    rows[5] = None
    checkpoint(base, base.epoch, [(key, pack_page(rows))])
    base.close()
    texts = found_in(directory)
    assert any('table "t"' in text and "has 368 rows instead of 369" in text for text in texts)


def test_an_entry_that_is_missing_in_a_sound_leaf_is_told(directory: Path, base: Base) -> None:
    for key in keys_of(base, leaf_prefix(0)[:1]):
        index_id = int.from_bytes(key[1:9], "big")
        leaf = decode_leaf(index_id, key, base.get(key))
        entries = leaf.slice(0, leaf.count)
        if entries:
            checkpoint(base, base.epoch, [(key, encode_leaf(leaf.low, leaf.high, entries[1:]))])
            break
    base.close()
    (text,) = found_in(directory)
    assert text.startswith('index "t_') and "has entries for" in text


@pytest.mark.parametrize("name", ["catalog", "state"])
def test_metadata_that_can_not_be_understood_are_told(directory: Path, base: Base, name: str) -> None:
    checkpoint(base, base.epoch, [(meta_key(name), b"\xc1 nonsense")])
    base.close()
    assert found_in(directory)


def test_a_base_that_is_ahead_of_the_log_is_told(directory: Path, base: Base) -> None:
    checkpoint(base, base.epoch + 1000, [])
    base.close()
    (text,) = found_in(directory)
    assert "the log ends with epoch" in text


def contents(directory: Path) -> list[tuple[object, ...]]:
    database = DurableSqlDatabase(directory)
    rows = database.session().rows("select * from t order by id")
    database.engine.close()
    return rows


@pytest.mark.parametrize("seed", this_builds(range(4)))
def test_whatever_bit_is_flipped_check_and_opening_agree(whole: Path, tmp_path: Path, seed: int) -> None:
    """What `check` passes opens and reads as before; the other way round it may tell more than opening meets."""
    rng = random.Random(seed)
    files = [
        path
        for path in sorted(whole.rglob("*"))
        if path.name in ("data.mdb", "control") or path.suffix == ".log"
    ]
    expected = contents(Path(shutil.copytree(whole, tmp_path / "whole")))
    assert len(expected) == 399
    for number in range(5):
        directory = Path(shutil.copytree(whole, tmp_path / str(number)))
        path = directory / rng.choice(files).relative_to(whole)
        flip(path, rng.randrange(min(path.stat().st_size, 60_000)), rng.randrange(8))
        if not found_in(directory):
            assert contents(directory) == expected


def test_the_command_prints_findings_and_its_status_tells(directory: Path, tmp_path: Path) -> None:
    with Commands(tmp_path) as commands:
        ran = commands.run("check", directory)
        assert (ran.returncode, ran.stdout, ran.stderr) == (0, "no damage found\n", "")
        data = directory / "base" / "data.mdb"
        flip(data, data.read_bytes().rindex(b"Name 30"))
        ran = commands.run("check", directory)
    assert ran.returncode == 1
    assert "does not fit its checksum" in ran.stdout and "restore a backup" in ran.stdout
