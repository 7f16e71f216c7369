"""Skerry's commands as an operator types them, in processes that begin at once: a command alone would import for
a second before it did anything.

    with Commands(tmp_path) as commands:
        ran = commands.run("backup", data, copy)        ran.returncode, ran.stdout, ran.stderr
        with commands.served(data) as address: …        `skerry serve`, which has to stop cleanly
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import skerry
from support.kill_rounds import PREPARATION
from support.nursery import Nursery
from support.postgres_server import free_port

START_S = 30.0


def run_command(arguments: Sequence[str], output: str, complaints: str) -> None:
    """The process of one command: what it prints goes to two files, its status is the process's."""
    from skerry_server.cli import main

    for number, path in ((1, output), (2, complaints)):
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(file, number)
        os.close(file)
    try:
        status: object = main(list(arguments))
    except SystemExit as end:
        status = end.code
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(int(status) if isinstance(status, int) else status is not None)


class Commands:
    """Runs commands; their output goes through files in `directory`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._nursery = Nursery(*PREPARATION)
        self._numbers = count()

    def __enter__(self) -> Commands:
        return self

    def __exit__(self, *exception: object) -> None:
        self._nursery.close()

    def run(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        """Run one to its end."""
        texts = [str(argument) for argument in arguments]
        number = next(self._numbers)
        output, complaints = (self._directory / f"{number}.{name}" for name in ("out", "err"))
        child = self._nursery.start("support.commands:run_command", texts, str(output), str(complaints))
        status = os.waitstatus_to_exitcode(child.join())
        return subprocess.CompletedProcess(
            texts, status, output.read_text("utf-8"), complaints.read_text("utf-8")
        )

    @contextmanager
    def served(self, directory: Path) -> Iterator[str]:
        """The address of a server on a directory; it must stop cleanly."""
        port = free_port()
        log = self._directory / f"{next(self._numbers)}.log"
        arguments = ["serve", str(directory), "--port", str(port)]
        child = self._nursery.start("support.commands:run_command", arguments, str(log), str(log))
        address = f"skerry://skerry@127.0.0.1:{port}/postgres"
        deadline_s = time.monotonic() + START_S
        while True:
            try:
                skerry.open(address).close()
                break
            except skerry.errors.ConnectionFailure:
                assert time.monotonic() < deadline_s and child.is_alive(), log.read_text()
                time.sleep(0.02)
        try:
            yield address
        finally:
            os.kill(child.pid, signal.SIGTERM)
            status = child.join()
        assert status == 0, log.read_text()
