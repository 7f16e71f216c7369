"""A real `skerry serve` in a process of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from support.postgres_server import Address, free_port, parse_dsn

START_TIMEOUT_S = 30.0
COMMAND = "import sys; from skerry_server.cli import main; sys.exit(main())"


@contextmanager
def skerry_process(
    arguments: Sequence[str] = (),
    python: str | None = None,
    on_start: Callable[[subprocess.Popen[bytes]], object] | None = None,
) -> Iterator[Address]:
    """Serve `:memory:` on a free port of the loopback interface until the block ends.

    `python` is the interpreter to serve with, ours by default.  `SKERRY_TEST_SERVER_DSN` names a server that
    runs already (under a debugger, say) to use instead.  `on_start` gets the process.
    """
    dsn = os.environ.get("SKERRY_TEST_SERVER_DSN")
    if dsn and not arguments and python is None:
        yield parse_dsn(dsn)
        return
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="skerry-serve-") as directory:
        log = Path(directory) / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [
                    python or sys.executable,
                    "-c",
                    COMMAND,
                    "serve",
                    ":memory:",
                    "--port",
                    str(port),
                    *arguments,
                ],
                stdout=output,
                stderr=output,
                env=os.environ,
            )
        try:
            if on_start is not None:
                on_start(process)
            _wait_until_ready(process, port, log)
            yield Address("127.0.0.1", port, "skerry")
        finally:
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_until_ready(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline_s:
        if process.poll() is not None:
            raise RuntimeError(f"skerry serve ended at once:\n{log.read_text(errors='replace')[-4000:]}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"skerry serve did not listen in time:\n{log.read_text(errors='replace')[-4000:]}")
