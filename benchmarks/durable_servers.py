"""Servers that keep what is committed, and what is measured of them from outside.

PostgreSQL and Skerry run on the same file system, below the folder for temporary files, each in a directory of its
own.  Processor time, memory and disk space are read from /proc and the file system, the same way for both.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from support.postgres_server import Address, NoPostgres, free_port, postgres_server
from support.skerry_process import COMMAND
from support.wire_client import WireClient

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_START_TIMEOUT_S = 300.0
_POLL_S = 0.005
_MEMORY_POLL_S = 0.02
_POSTGRES_OPTIONS = {"fsync": "on", "synchronous_commit": "on"}


class Broken(Exception):
    """A server or a client fails, or what was committed is not there; the message says which."""


@dataclass(frozen=True)
class Python:
    """An interpreter that Skerry is installed for.  `is_compiled`: as the wheel, whatever PYTHONPATH says."""

    name: str
    program: str
    is_compiled: bool

    def environment(self) -> dict[str, str]:
        """The environment to start it in."""
        found = dict(os.environ)
        if self.is_compiled:
            found.pop("PYTHONPATH", None)
        return found


class Contender:
    """A server that runs, and its directory."""

    def __init__(self, name: str, address: Address, directory: Path, pid: int) -> None:
        self.name = name
        self.address = address
        self.directory = directory
        self.pid = pid

    @property
    def environment(self) -> dict[str, str]:
        """For libpq's programs."""
        return {**os.environ, **self.address.environment()}

    def query(self, text: str) -> str | None:
        """Run one statement that takes no longer than half a minute; the first value of its result."""
        return query(self.address, text)

    def execute(self, *statements: str) -> float:
        """Run statements through psql, each by itself; the seconds that they took together."""
        arguments = [part for statement in statements for part in ("-c", statement)]
        began_s = time.perf_counter()
        _psql(self, arguments, None)
        return time.perf_counter() - began_s

    def copy_in(self, table: str, rows: Path) -> float:
        """COPY a file's rows into a table through psql; the seconds that took."""
        began_s = time.perf_counter()
        with rows.open("rb") as source:
            _psql(self, ["-c", f"COPY {table} FROM STDIN"], source.fileno())
        return time.perf_counter() - began_s

    def cpu_s(self) -> float:
        """Processor time of the server and its children so far."""
        return cpu_s(self.pid)

    def anonymous_bytes(self) -> int:
        """Anonymous memory of the server's first process."""
        return anonymous_bytes(self.pid)


def query(address: Address, text: str) -> str | None:
    """Run one statement; the first value of its result, if there is one.  Raises Broken and OSError."""
    client = WireClient(address)
    try:
        outcome = client.query(text)
    finally:
        client.close()
    if outcome.error is not None:
        raise Broken(f"{outcome.error['C']} {outcome.error['M']} in {text}")
    return outcome.rows[0][0] if outcome.rows else None


def _psql(contender: Contender, arguments: Sequence[str], stdin: int | None) -> None:
    ran = subprocess.run(
        ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", *arguments],
        env=contender.environment,
        stdin=subprocess.DEVNULL if stdin is None else stdin,
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode != 0:
        raise Broken(f"psql {' '.join(arguments)} on {contender.name}: {ran.stderr[-1000:]}")


# --- what /proc and the file system say ----------------------------------------------------------------------


def cpu_s(pid: int) -> float:
    """Processor time of a process and its children, those that have ended included."""
    ticks = sum(_ticks(pid)[:4])
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        ticks += sum(_ticks(int(child))[:2])
    return ticks / _TICKS_PER_S


def _ticks(pid: int) -> list[int]:
    """utime, stime, cutime, cstime; zeros for a process that has just ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return [0, 0, 0, 0]
    return [int(field) for field in text.rpartition(")")[2].split()[11:15]]


def anonymous_bytes(pid: int) -> int:
    """A process's anonymous memory that is resident."""
    match = re.search(r"^Anonymous: +(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    if match is None:
        raise Broken("/proc/PID/smaps_rollup has no line 'Anonymous'")
    return int(match[1]) << 10


def disk_bytes(directory: Path) -> int:
    """What the files below a directory take on the disk."""
    return sum(path.stat().st_blocks * 512 for path in directory.rglob("*") if path.is_file())


def file_system(directory: Path) -> tuple[int, str]:
    """The device of a directory, and the type of its file system."""
    device = directory.stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields, _, more = line.partition(" - ")
        if fields.split()[2] == number:
            return device, more.split()[0]
    return device, "unknown"


class PeakMemory:
    """The largest anonymous memory of a process while the `with` block runs, asked fifty times a second."""

    def __init__(self, pid: int) -> None:
        self.peak_bytes = anonymous_bytes(pid)
        self._pid = pid
        self._is_over = threading.Event()
        self._watcher = threading.Thread(target=self._watch)

    def __enter__(self) -> PeakMemory:
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._watcher.join()

    def _watch(self) -> None:
        while not self._is_over.wait(_MEMORY_POLL_S):
            self.peak_bytes = max(self.peak_bytes, anonymous_bytes(self._pid))


# --- starting and stopping -----------------------------------------------------------------------------------


class SkerryServer(Contender):
    """`skerry serve DIR`, which can be stopped, killed and started again."""

    def __init__(self, python: Python, directory: Path, arguments: Sequence[str] = ()) -> None:
        super().__init__(python.name, Address("127.0.0.1", free_port(), "skerry"), directory / "data", 0)
        self._python = python
        self._arguments = arguments
        self._log = directory / "server.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, first_query: str = "SELECT 1") -> float:
        """Start it; the seconds until the first query was answered.  Raises Broken."""
        began_s = time.perf_counter()
        command = [self._python.program, "-c", COMMAND, "serve", str(self.directory)]
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                [*command, "--port", str(self.address.port), *self._arguments],
                stdout=output,
                stderr=output,
                env=self._python.environment(),
            )
        self.pid = self._process.pid
        while True:
            try:
                query(self.address, first_query)
                return time.perf_counter() - began_s
            except OSError:
                self._check_started(began_s)
                time.sleep(_POLL_S)

    def _check_started(self, began_s: float) -> None:
        assert self._process is not None
        ended = self._process.poll() is not None
        if ended or time.perf_counter() - began_s > _START_TIMEOUT_S:
            raise Broken(f"{self.name} does not serve: {self.log_text()[-2000:]}")

    def stop(self) -> float:
        """A clean stop; the seconds that took.  Raises Broken."""
        return self._end(signal.SIGTERM, 0)

    def kill(self) -> None:
        """kill -9."""
        self._end(signal.SIGKILL, -signal.SIGKILL)

    def _end(self, number: int, status: int) -> float:
        process, self._process = self._process, None
        assert process is not None
        began_s = time.perf_counter()
        process.send_signal(number)
        if process.wait(_START_TIMEOUT_S) != status:
            raise Broken(f"{self.name} ended with {process.returncode}: {self.log_text()[-2000:]}")
        return time.perf_counter() - began_s

    def end(self) -> None:
        """Be gone, whatever it does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def log_text(self) -> str:
        """What it has logged."""
        return self._log.read_text(errors="replace")


@contextmanager
def scratch() -> Iterator[Path]:
    """A directory on the disk that everything is measured on."""
    directory = Path(tempfile.mkdtemp(prefix="skerry-bench-"))
    try:
        if file_system(directory)[1] in ("tmpfs", "ramfs"):
            raise Broken(f"{directory} is in memory: set TMPDIR to a directory on a disk")
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def skerry(python: Python, arguments: Sequence[str] = (), starts: bool = True) -> Iterator[SkerryServer]:
    """A server on a new directory."""
    with scratch() as directory:
        server = SkerryServer(python, directory, arguments)
        try:
            if starts:
                server.start()
            yield server
        finally:
            server.end()


@contextmanager
def postgres() -> Iterator[Contender | None]:
    """PostgreSQL with everything durable, or None where it can't be had."""
    try:
        context = postgres_server(_POSTGRES_OPTIONS)
        address = context.__enter__()
    except NoPostgres as problem:
        print(f"no PostgreSQL to compare with: {problem}")
        yield None
        return
    try:
        directory = Path(query(address, "SHOW data_directory") or "")
        pid = int((directory / "postmaster.pid").read_text().split()[0])
        for name, value in _POSTGRES_OPTIONS.items():
            if query(address, f"SHOW {name}") != value:
                raise Broken(f"PostgreSQL's {name} is not {value}")
        yield Contender("PostgreSQL", address, directory, pid)
    finally:
        context.__exit__(None, None, None)


# --- pgbench -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Transactions:
    """What one pgbench run did: for each transaction when it ended (seconds since 1970) and how long it took."""

    rate: float
    ends_s: list[float]
    latencies_ms: list[float]
    cpu_us: float
    """Processor time of the server per transaction."""


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that so large a share of all are not above; 0 where there are none."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def run_pgbench(
    program: str,
    contender: Contender,
    arguments: Sequence[str],
    seconds: float,
    meanwhile: Callable[[], None] | None = None,
) -> Transactions:
    """Run pgbench for so long, and `meanwhile` beside it.  Raises Broken."""
    with scratch() as directory:
        prefix = directory / "transactions"
        before_s = contender.cpu_s()
        process = subprocess.Popen(
            [program, "-n", *arguments, "-T", str(max(1, round(seconds))), "-l", f"--log-prefix={prefix}"],
            env=contender.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            if meanwhile is not None:
                meanwhile()
            output, errors = process.communicate(timeout=seconds + 120)
        finally:
            if process.poll() is None:
                process.kill()
                process.communicate()
        cpu = contender.cpu_s() - before_s
        match = re.search(r"tps = ([\d.]+)", output)
        if process.returncode != 0 or match is None:
            raise Broken(f"pgbench {' '.join(arguments)} on {contender.name}: {errors[-1000:]}")
        ends_s, latencies_ms = _read_logs(directory)
    return Transactions(float(match[1]), ends_s, latencies_ms, cpu * 1e6 / max(1, len(ends_s)))


def _read_logs(directory: Path) -> tuple[list[float], list[float]]:
    """pgbench's logs: client, transaction, microseconds, script, and when it ended in seconds and microseconds."""
    ends_s: list[float] = []
    latencies_ms: list[float] = []
    for path in directory.iterdir():
        for line in path.read_text().splitlines():
            fields = line.split()
            latencies_ms.append(int(fields[2]) / 1000)
            ends_s.append(int(fields[4]) + int(fields[5]) / 1e6)
    return ends_s, latencies_ms
