"""COPY by steps: data that goes in, messages that come out."""

from __future__ import annotations

from collections.abc import Iterable

from skerry_engine.session.steps import Complete, CopyData, CopyFailed, CopyIn, Step, Wait
from support.sessions import SqlSession

Data = Iterable[bytes | CopyFailed]


class Copying:
    """A COPY FROM STDIN that is stepped until it completes or waits."""

    def __init__(self, session: SqlSession, text: str, data: Data) -> None:
        self._steps = session.session.simple_query(text)
        self._data = iter(data)
        self._sent: object = None
        self.tag = ""

    def go_on(self) -> Step | None:
        """Step until it is done (None) or waits for a lock that is still held."""
        while True:
            try:
                step = self._steps.send(self._sent)
            except StopIteration:
                return None
            self._sent = next(self._data, None) if isinstance(step, CopyIn) else None
            if isinstance(step, Complete):
                self.tag = step.tag
            if isinstance(step, Wait) and not step.waiting.is_over():
                return step


def copy_in(session: SqlSession, text: str, *data: bytes | CopyFailed) -> str:
    copying = Copying(session, text, data)
    assert copying.go_on() is None
    return copying.tag


def copied(session: SqlSession, text: str) -> list[bytes]:
    """The messages of a COPY TO STDOUT."""
    messages: list[bytes] = []
    for step in session.run_all(text):
        if isinstance(step, CopyData):
            messages.extend(step.data if isinstance(step.data, list) else [step.data])
    return messages
