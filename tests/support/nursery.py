"""Processes that begin at once: forked from one that has imported everything, one thread and nothing open.

    with Nursery("uvloop", "support.kill_rounds:warm_up") as nursery:    imports the one, calls the other
        child = nursery.start("support.kill_rounds:work", 1, "two")      calls work(1, "two") in a process of its own
        child.kill()

Functions are named, not sent; arguments are what JSON knows.  What a child says goes to the nursery's standard error.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import traceback


class Child:
    """A process that the nursery has begun."""

    def __init__(self, nursery: Nursery, pid: int) -> None:
        self._nursery = nursery
        self.pid = pid
        self.status: int | None = None
        """As `os.waitpid` has it, once the process is known to have ended."""

    def is_alive(self) -> bool:
        """Whether it still runs."""
        return self._look(wait=False) is None

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone.  Raises AssertionError if it had ended by itself."""
        assert self.is_alive(), f"it had ended before it was killed: {self.status}"
        os.kill(self.pid, signal.SIGKILL)
        self.join()

    def join(self) -> int:
        """Wait for its end; gives its status."""
        status = self._look(wait=True)
        assert status is not None
        return status

    def _look(self, wait: bool) -> int | None:
        if self.status is None:
            self.status = self._nursery.ask(["look", self.pid, wait])
        return self.status


class Nursery:
    """The process that forks.  To be used by one thread."""

    def __init__(self, *modules: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", "from support.nursery import serve; serve()", *modules],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            text=True,
        )
        self._children: list[Child] = []

    def start(self, function: str, *arguments: object) -> Child:
        """Call `module:function` in a new process."""
        pid = self.ask(["start", function, arguments])
        assert pid is not None
        self._children.append(Child(self, pid))
        return self._children[-1]

    def ask(self, question: list[object]) -> int | None:
        """Say something to the nursery and get its answer."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        answer: int | None = json.loads(self._process.stdout.readline())
        return answer

    def close(self) -> None:
        """End it, and whatever it has begun."""
        for child in self._children:
            if child.is_alive():
                child.kill()
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()

    def __enter__(self) -> Nursery:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def serve() -> None:
    """The nursery's process."""
    for name in sys.argv[1:]:
        module, _, function = name.partition(":")
        imported = importlib.import_module(module)
        if function:
            getattr(imported, function)()
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        kind, first, second = json.loads(line)
        if kind == "start":
            answer: int | None = _fork(first, second)
        else:
            pid, status = os.waitpid(first, 0 if second else os.WNOHANG)
            answer = status if pid else None
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _fork(function: str, arguments: list[object]) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        os.close(0)
        module, _, name = function.partition(":")
        getattr(importlib.import_module(module), name)(*arguments)
        code = 0
    except BaseException:  # noqa: BLE001 - nobody further out may see that there are two of it
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)
