"""`skerry backup`, `skerry restore` and `skerry check` as an operator types them, against a server and without one."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.postgres_server import free_port

import skerry

COMMAND = [sys.executable, "-c", "import sys; from skerry_server.cli import main; sys.exit(main())"]


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=os.environ,
    )


def done(*arguments: object) -> str:
    ran = command(*arguments)
    assert (ran.returncode, ran.stderr) == (0, ""), ran.stdout + ran.stderr
    return ran.stdout


def failed(*arguments: object) -> str:
    ran = command(*arguments)
    assert ran.returncode == 1 and "Traceback" not in ran.stderr, ran.stdout + ran.stderr
    return ran.stderr


@contextmanager
def served(directory: Path) -> Iterator[str]:
    """The address of a server on a directory; it must stop cleanly."""
    port = free_port()
    log = directory.with_suffix(".log")
    with log.open("ab") as output:
        process = subprocess.Popen(
            [*COMMAND, "serve", str(directory), "--port", str(port)],
            stdout=output,
            stderr=output,
            env=os.environ,
        )
    address = f"skerry://skerry@127.0.0.1:{port}/postgres"
    deadline_s = time.monotonic() + 30
    while True:
        try:
            skerry.open(address).close()
            break
        except skerry.errors.ConnectionFailure:
            assert time.monotonic() < deadline_s and process.poll() is None, log.read_text()
            time.sleep(0.05)
    try:
        yield address
    finally:
        process.send_signal(signal.SIGTERM)
        status = process.wait(30)
    assert status == 0, log.read_text()


def numbers(directory: Path) -> list[int]:
    with skerry.open(directory) as db:
        return [n for (n,) in db.execute("SELECT n FROM t ORDER BY n")]


def test_a_day_with_a_server(tmp_path: Path) -> None:
    """Back up while clients write, lose the database, restore it, go on; then back to an earlier epoch."""
    data, monday, tuesday = tmp_path / "data", tmp_path / "monday", tmp_path / "tuesday"
    with served(data) as address, skerry.open(address) as db:
        db.execute("CREATE TABLE t (n serial PRIMARY KEY)")
        stop = threading.Event()

        def write() -> None:
            with skerry.open(address) as writer:
                while not stop.is_set():
                    writer.execute("INSERT INTO t DEFAULT VALUES")

        writer = threading.Thread(target=write)
        writer.start()
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
    with served(restored) as address, skerry.open(address) as db:
        kept = [n for (n,) in db.execute("SELECT n FROM t ORDER BY n")]
        assert kept == some[: len(kept)] and len(kept) >= len(some) - 2
        db.execute("INSERT INTO t DEFAULT VALUES")
    assert len(numbers(restored)) == len(kept) + 1
    assert done("check", restored) == "no damage found\n"


def test_without_a_server(tmp_path: Path) -> None:
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


def test_what_goes_wrong(tmp_path: Path) -> None:
    data = tmp_path / "data"
    skerry.open(data).close()
    assert "there is no database" in failed("backup", tmp_path / "nowhere", tmp_path / "x")
    assert "there is no database" in failed("restore", tmp_path / "nowhere", tmp_path / "x")
    assert "there is no database" in failed("dump", tmp_path / "nowhere")
    assert "there is no database" in failed("dump", tmp_path)
    assert "is not empty" in failed("backup", data, data)
    assert "is not empty" in failed("restore", data, tmp_path)
    assert "epoch 99 can't be restored" in failed("restore", "--to-epoch", "99", data, tmp_path / "y")
    assert "no time" in command("restore", "--to-timestamp", "tomorrow", data, tmp_path / "z").stderr
    assert (
        command("restore", "--to-epoch", "1", "--to-timestamp", "2026-01-01", data, tmp_path / "z").returncode
        == 2
    )
    for option in ("backup", "restore"):
        assert "examples:" in done(option, "--help")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_directory_that_may_not_be_written(tmp_path: Path) -> None:
    skerry.open(tmp_path / "data").close()
    (tmp_path / "locked").mkdir(0o500)
    assert "Permission denied" in failed("backup", tmp_path / "data", tmp_path / "locked" / "backup")


def test_damage_in_a_backup_is_found_when_it_is_restored(tmp_path: Path) -> None:
    with skerry.open(tmp_path / "data") as db:
        db.execute("CREATE TABLE t (v text); INSERT INTO t VALUES ('a needle to be found')")
        db.execute("CHECKPOINT")
    done("backup", tmp_path / "data", tmp_path / "backup")
    file = tmp_path / "backup" / "base" / "data.mdb"
    data = bytearray(file.read_bytes())
    data[data.index(b"a needle to be found")] ^= 1
    file.write_bytes(data)
    ran = command("restore", tmp_path / "backup", tmp_path / "restored")
    assert ran.returncode == 1
    assert "data.mdb is damaged" in ran.stdout and "page" in ran.stdout
