"""`skerry backup`, `skerry restore` and `skerry check` as an operator types them, against a server and without one."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.commands import Commands

import skerry


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Commands]:
    with Commands(tmp_path_factory.mktemp("commands")) as made:
        yield made


@pytest.fixture
def done(commands: Commands) -> Callable[..., str]:
    """Runs a command that must succeed; what it prints."""

    def run(*arguments: object) -> str:
        ran = commands.run(*arguments)
        assert (ran.returncode, ran.stderr) == (0, ""), ran.stdout + ran.stderr
        return ran.stdout

    return run


@pytest.fixture
def failed(commands: Commands) -> Callable[..., str]:
    """Runs a command that must fail; what it complains of."""

    def run(*arguments: object) -> str:
        ran = commands.run(*arguments)
        assert ran.returncode == 1 and "Traceback" not in ran.stderr, ran.stdout + ran.stderr
        return ran.stderr

    return run


def numbers(directory: Path) -> list[int]:
    with skerry.open(directory) as db:
        return [n for (n,) in db.execute("SELECT n FROM t ORDER BY n")]


def test_a_day_with_a_server(tmp_path: Path, commands: Commands, done: Callable[..., str]) -> None:
    """Back up while clients write, lose the database, restore it, go on; then back to an earlier epoch."""
    data, monday, tuesday = tmp_path / "data", tmp_path / "monday", tmp_path / "tuesday"
    with commands.served(data) as address, skerry.open(address) as db:
        db.execute("CREATE TABLE t (n serial PRIMARY KEY)")
        stop, begun = threading.Event(), threading.Event()

        def write() -> None:
            with skerry.open(address) as writer:
                while not stop.is_set():
                    if writer.execute("INSERT INTO t DEFAULT VALUES RETURNING n").scalar() == 5:
                        begun.set()

        writer = threading.Thread(target=write)
        writer.start()
        assert begun.wait(30)
        said = done("backup", data, monday)
        stop.set()
        writer.join(30)
        db.execute("CHECKPOINT")
        db.execute("INSERT INTO t DEFAULT VALUES")
        said_later = done("backup", address, tuesday)
        assert done("dump", data) == done("dump", address)
        everything = [n for (n,) in db.execute("SELECT n FROM t ORDER BY n")]
    assert said.splitlines()[-1] == "no damage found"
    first, last = map(int, re.findall(r"epochs (\d+) to (\d+)", said)[0])
    assert last - first > 3

    some = numbers(monday)
    assert some == everything[: len(some)]
    assert numbers(tuesday) == everything
    assert "the last commit at" in said_later

    restored = tmp_path / "restored"
    assert f"epoch {last - 2}" in done("restore", "--to-epoch", last - 2, monday, restored)
    with commands.served(restored) as address, skerry.open(address) as db:
        kept = [n for (n,) in db.execute("SELECT n FROM t ORDER BY n")]
        assert kept == some[: len(kept)] and len(kept) >= len(some) - 2
        db.execute("INSERT INTO t DEFAULT VALUES")
    assert len(numbers(restored)) == len(kept) + 1
    assert done("check", restored) == "no damage found\n"


def test_without_a_server(tmp_path: Path, done: Callable[..., str], failed: Callable[..., str]) -> None:
    data = tmp_path / "data"
    with skerry.open(data) as db:
        db.execute("CREATE TABLE t (n int)")
        for number in range(3):
            db.execute("INSERT INTO t VALUES ($1)", [number])
        said = failed("backup", data, tmp_path / "backup")
        assert "in use" in failed("dump", data)
        assert "in use" in said and "Database.backup()" in said
        db.backup(tmp_path / "online")
        assert "skerry backup makes a copy" in failed("check", data)
    assert "\n0\n1\n2\n\\.\n" in done("dump", data)
    said = done("backup", data, tmp_path / "backup")
    when = re.findall(r"last commit at (.*)", said)[0]
    assert numbers(tmp_path / "backup") == numbers(tmp_path / "online") == [0, 1, 2]
    done("restore", "--to-timestamp", when, tmp_path / "backup", tmp_path / "all")
    assert numbers(tmp_path / "all") == [0, 1, 2]
    early = failed(
        "restore", "--to-timestamp", "2020-01-01T00:00+02:00", tmp_path / "backup", tmp_path / "early"
    )
    assert "as old as that" in early


def test_what_goes_wrong(
    tmp_path: Path, commands: Commands, done: Callable[..., str], failed: Callable[..., str]
) -> None:
    data = tmp_path / "data"
    skerry.open(data).close()
    assert "there is no database" in failed("backup", tmp_path / "nowhere", tmp_path / "x")
    assert "there is no database" in failed("restore", tmp_path / "nowhere", tmp_path / "x")
    assert "there is no database" in failed("dump", tmp_path / "nowhere")
    assert "there is no database" in failed("dump", tmp_path)
    assert "is not empty" in failed("backup", data, data)
    assert "is not empty" in failed("restore", data, tmp_path)
    assert "epoch 99 can't be restored" in failed("restore", "--to-epoch", "99", data, tmp_path / "y")
    assert "no time" in commands.run("restore", "--to-timestamp", "tomorrow", data, tmp_path / "z").stderr
    assert (
        commands.run(
            "restore", "--to-epoch", "1", "--to-timestamp", "2026-01-01", data, tmp_path / "z"
        ).returncode
        == 2
    )
    for option in ("backup", "restore"):
        assert "examples:" in done(option, "--help")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_directory_that_may_not_be_written(tmp_path: Path, failed: Callable[..., str]) -> None:
    skerry.open(tmp_path / "data").close()
    (tmp_path / "locked").mkdir(0o500)
    assert "Permission denied" in failed("backup", tmp_path / "data", tmp_path / "locked" / "backup")


def test_damage_in_a_backup_is_found_when_it_is_restored(
    tmp_path: Path, commands: Commands, done: Callable[..., str]
) -> None:
    with skerry.open(tmp_path / "data") as db:
        db.execute("CREATE TABLE t (v text); INSERT INTO t VALUES ('a needle to be found')")
        db.execute("CHECKPOINT")
    done("backup", tmp_path / "data", tmp_path / "backup")
    file = tmp_path / "backup" / "base" / "data.mdb"
    data = bytearray(file.read_bytes())
    data[data.index(b"a needle to be found")] ^= 1
    file.write_bytes(data)
    ran = commands.run("restore", tmp_path / "backup", tmp_path / "restored")
    assert ran.returncode == 1
    assert "data.mdb is damaged" in ran.stdout and "page" in ran.stdout
