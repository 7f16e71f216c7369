"""Runs one suite in front of one server, and reads what became of each case."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from clients.obtaining import python_of, source_of
from clients.suites import Server, Suite

HERE = Path(__file__).resolve().parent
TREE = HERE.parents[1]
_PYTEST = (
    *("-m", "pytest", "-p", "skerry_recorder", "-p", "no:cacheprovider", "-q", "--tb=native", "--maxfail=0"),
    "--continue-on-collection-errors",
)
ORDER = ("collected", "started", "passed", "skipped", "failed")
"""What is said of one case: later words count for more."""


@dataclass(frozen=True)
class Outcome:
    """What became of a case: passed, skipped, failed, started (and did not end), or collected (and was not run)."""

    word: str
    message: str = ""

    @property
    def first_line(self) -> str:
        """The first line of the message that says something."""
        return next((line.strip() for line in self.message.splitlines() if line.strip()), "no message")


def run_suite(suite: Suite, server: Server, keep: Path | None = None) -> dict[str, Outcome]:
    """What became of each of a suite's cases in front of a server.  Raises CannotObtain."""
    source = source_of(suite.source)
    python = sys.executable if suite.requirements is None else str(python_of(suite.name, suite.requirements))
    _prepare(suite, server)
    with tempfile.TemporaryDirectory(prefix="skerry-suite-") as work:
        directory = Path(work) / "suite"
        shutil.copytree(source, directory)
        if suite.hidden:
            shutil.rmtree(directory / suite.hidden)
        for name in suite.files:
            shutil.copy(HERE / "inside" / name, directory)
        record = Path(work) / "record"
        logs = _run_to_the_end(suite, server, python, directory, record)
        if keep is not None:
            keep.mkdir(parents=True, exist_ok=True)
            (keep / f"{suite.name}.{server.port}.log").write_text("\n".join(logs))
        return read_record(record.read_text()) if record.exists() else {}


def _run_to_the_end(suite: Suite, server: Server, python: str, directory: Path, record: Path) -> list[str]:
    """Run a suite; when a case hangs, and takes the run with it, run it again for what is left."""
    deadline_s = time.monotonic() + suite.timeout_s
    logs: list[str] = []
    left = -1
    while True:
        logs.append(_run(suite, server, python, directory, record, deadline_s))
        outcomes = read_record(record.read_text()) if record.exists() else {}
        before, left = left, sum(outcome.word == "collected" for outcome in outcomes.values())
        if left in (0, before) or time.monotonic() > deadline_s:
            return logs


def _prepare(suite: Suite, server: Server) -> None:
    for database, statements in (("postgres", suite.prepare), ("test", suite.prepare_test)):
        for statement in statements:
            command = ["psql", "-X", "-q", "-h", server.host, "-p", str(server.port), "-U", server.user]
            subprocess.run(
                [*command, "-d", database, "-c", statement], check=True, capture_output=True, timeout=60
            )


def _run(suite: Suite, server: Server, python: str, directory: Path, record: Path, deadline_s: float) -> str:
    """Run pytest, or the suite's program; its output.  A run over its time is killed; what it has recorded stays."""
    filled = [part.format(user=server.user, host=server.host, port=server.port) for part in suite.arguments]
    command = [python, *(_PYTEST if not suite.program else (str(directory / suite.program),))]
    if not suite.program:
        command.append(f"--rootdir={directory}")
    if suite.has_no_settings:
        (directory / "pytest.ini").write_text("[pytest]\n")
    log = record.with_name("log")
    with log.open("w") as output:
        process = subprocess.Popen(
            [*command, *filled],
            cwd=(directory / suite.program).parent if suite.program else directory,
            env=_environment(suite, server, directory, record),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        why = _wait(process, record, suite.case_timeout_s, deadline_s)
    return log.read_text(errors="replace") + why


def _wait(process: subprocess.Popen[bytes], record: Path, case_timeout_s: float, deadline_s: float) -> str:
    """Until the process has ended, or is killed because it is late or a case hangs; the latter is said."""
    size, since_s = -1, time.monotonic()
    while process.poll() is None:
        time.sleep(0.1)
        now_s = time.monotonic()
        known = record.stat().st_size if record.exists() else 0
        if known != size:
            size, since_s = known, now_s
        if now_s > min(deadline_s, since_s + case_timeout_s):
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return f"\nkilled after {now_s - since_s:.0f} s without a word\n"
    return ""


def _environment(suite: Suite, server: Server, directory: Path, record: Path) -> dict[str, str]:
    paths = [HERE / "inside"]
    if suite.python_path:
        paths.append(directory / suite.python_path)
    if suite.requirements is None:
        paths += [TREE / "driver", TREE / "engine", TREE / "server"]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return {
        **kept,
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
        "SKERRY_RECORD": str(record),
        **suite.environment(server),
    }


def read_record(text: str) -> dict[str, Outcome]:
    """What the recorder wrote; of several lines about a case the worst counts."""
    found: dict[str, Outcome] = {}
    for line in text.splitlines():
        case, word, message = json.loads(line)
        known = found.get(case)
        if known is None or ORDER.index(word) > ORDER.index(known.word):
            found[case] = Outcome(word, message)
    return found
