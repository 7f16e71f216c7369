"""The lock file: one owner for a database directory.

`skerry.lock` is held with flock(2) as long as the database is open, so that the lock goes with its owner, however that
ends.  What stands in it is for people, and for the error that a second one gets; nobody decides by it:

    skerry.lock, 512 bytes: a JSON object, then spaces, then a newline
    {"pid": 4711, "host": "north", "since": "2026-11-22T04:20:00+00:00", "server": "skerry://127.0.0.1:5433"}

`server` is null while the owner serves nobody.  The size is fixed, so that noting the address needs no room on a disk
that is full.  The file stays when its owner goes: to remove it while a second one waits for it would make two owners.

What it does not do: protect against owners on other machines where the file system has no locks between machines, or
against somebody who removes the file by hand.
"""

from __future__ import annotations

import datetime
import json
import os
import socket
import sys
from pathlib import Path
from typing import Any, Final

from skerry_engine.errors import DatabaseInUse, NotSupportedError

LOCK_NAME: Final = "skerry.lock"
LOCK_BYTES: Final = 512
MODE: Final = 0o600


class DirectoryLock:
    """A database directory that is ours, from the making of this object to `release`."""

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        """Raises DatabaseInUse when another process, or another opening in this one, has it; and OSError."""
        self.path = Path(directory).absolute() / LOCK_NAME
        self._since = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        self._descriptor = _locked(self.path)
        try:
            self.announce(None)
        except OSError:
            self.release()
            raise

    def announce(self, server: str | None) -> None:
        """Note the address under which the database is served, None for none.  Raises OSError."""
        owner = {"pid": os.getpid(), "host": socket.gethostname(), "since": self._since, "server": server}
        content = json.dumps(owner).encode("ascii")
        os.pwrite(self._descriptor, content.ljust(LOCK_BYTES - 1) + b"\n", 0)

    def release(self) -> None:
        """Let others have the directory; twice is harmless."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            # Closing alone would leave it to a child that was forked meanwhile.
            _unlock(descriptor)
            os.close(descriptor)


def served_at(directory: str | os.PathLike[str]) -> str | None:
    """The address under which the owner of a directory says that it serves it; None where nobody does.

    For people's convenience: the owner may have gone since.  Raises OSError.
    """
    try:
        owner: Any = json.loads((Path(directory) / LOCK_NAME).read_bytes())
    except ValueError:
        return None
    server = owner.get("server") if isinstance(owner, dict) else None
    return server if isinstance(server, str) else None


def _locked(path: Path) -> int:
    """The lock file's descriptor, with the lock."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, MODE)
        try:
            _lock(descriptor)
            # Locked, but perhaps removed before: then the lock keeps nobody away.
            if os.path.exists(path) and os.path.samestat(os.fstat(descriptor), os.stat(path)):
                return descriptor
        except BlockingIOError:
            error = _in_use(path.parent, os.pread(descriptor, LOCK_BYTES, 0))
            os.close(descriptor)
            raise error from None
        except (OSError, NotSupportedError):
            os.close(descriptor)
            raise
        os.close(descriptor)


def _lock(descriptor: int) -> None:
    if sys.platform == "win32":
        raise NotSupportedError("databases on disk need a system with flock(2); use :memory:")
    import fcntl

    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _unlock(descriptor: int) -> None:
    if sys.platform != "win32":
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_UN)


def _in_use(directory: Path, content: bytes) -> DatabaseInUse:
    """Who has it, as far as the file tells."""
    try:
        owner: Any = json.loads(content)
    except ValueError:
        owner = None
    if not isinstance(owner, dict):
        return DatabaseInUse(
            f"database {str(directory)!r} is in use by another process",
            hint="Wait until it is closed there.",
        )
    server = owner.get("server")
    here = owner.get("pid") == os.getpid() and owner.get("host") == socket.gethostname()
    who = "this process" if here else f"process {owner.get('pid')} on {owner.get('host')}"
    return DatabaseInUse(
        f"database {str(directory)!r} is in use by {who}",
        detail=f"It has been open since {owner.get('since')}.",
        hint=f"Connect through {server}." if server else "Wait until it is closed there.",
    )
