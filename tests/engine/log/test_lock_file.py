"""One owner for a database directory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from skerry_engine.errors import DatabaseInUse
from skerry_engine.log.lock_file import LOCK_BYTES, DirectoryLock

HOLD = """
import sys
from skerry_engine.log.lock_file import DirectoryLock
lock = DirectoryLock(sys.argv[1])
lock.announce(sys.argv[2] or None)
print("held", flush=True)
sys.stdin.read()
"""


def holder(path: Path, server: str = "") -> subprocess.Popen[str]:
    """Another process that has the directory."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path), server],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


@pytest.mark.parametrize("server", ["", "skerry://127.0.0.1:5433"])
def test_a_second_process_is_told_who_has_it(tmp_path: Path, server: str) -> None:
    process = holder(tmp_path, server)
    try:
        with pytest.raises(DatabaseInUse) as caught:
            DirectoryLock(tmp_path)
    finally:
        end(process)
    assert f"in use by process {process.pid} on " in caught.value.message
    assert repr(str(tmp_path)) in caught.value.message
    assert "open since 20" in (caught.value.detail or "")
    assert (f"Connect through {server}." if server else "Wait until") in (caught.value.hint or "")


def test_the_lock_goes_with_a_killed_owner_and_what_it_left_does_not_matter(tmp_path: Path) -> None:
    process = holder(tmp_path, "skerry://127.0.0.1:5433")
    end(process)
    lock = DirectoryLock(tmp_path)
    owner = json.loads(lock.path.read_bytes())
    assert (owner["pid"], owner["server"]) == (os.getpid(), None)
    lock.release()


def test_the_same_process_does_not_get_it_twice(tmp_path: Path) -> None:
    lock = DirectoryLock(tmp_path)
    for _ in range(2):
        with pytest.raises(DatabaseInUse, match="in use by this process"):
            DirectoryLock(tmp_path)
    lock.release()
    lock.release()
    DirectoryLock(tmp_path).release()


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe", b'"x"'])
def test_a_lock_file_that_tells_nothing(tmp_path: Path, content: bytes) -> None:
    lock = DirectoryLock(tmp_path)
    lock.path.write_bytes(content)
    with pytest.raises(DatabaseInUse, match="in use by another process"):
        DirectoryLock(tmp_path)
    lock.release()
    DirectoryLock(tmp_path).release()


def test_the_size_never_changes(tmp_path: Path) -> None:
    lock = DirectoryLock(tmp_path)
    for server in (None, "skerry://127.0.0.1:5433", None):
        lock.announce(server)
        data = lock.path.read_bytes()
        assert len(data) == LOCK_BYTES
        assert data.endswith(b" \n")
        assert json.loads(data)["server"] == server
    lock.release()


def test_a_removed_lock_file_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Removed between its opening and its locking: the lock on the old file would keep nobody away."""
    import skerry_engine.log.lock_file as module

    original, removed = module._lock, []

    def remove_then_lock(descriptor: int) -> None:
        if not removed:
            removed.append(True)
            (tmp_path / "skerry.lock").unlink()
        original(descriptor)

    monkeypatch.setattr(module, "_lock", remove_then_lock)
    lock = DirectoryLock(tmp_path)
    assert removed
    with pytest.raises(DatabaseInUse):
        DirectoryLock(tmp_path)
    lock.release()


def test_a_child_does_not_keep_the_lock(tmp_path: Path) -> None:
    """A forked child has the descriptor too; releasing frees the directory all the same."""
    lock = DirectoryLock(tmp_path)
    copy = os.dup(lock._descriptor)
    lock.release()
    DirectoryLock(tmp_path).release()
    os.close(copy)


def test_a_directory_that_is_missing_or_no_directory(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        DirectoryLock(tmp_path / "missing")
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        DirectoryLock(tmp_path / "file")
