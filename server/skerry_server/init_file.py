"""The SQL file that `skerry serve --init` runs before anybody connects: schema and data of what is served.

Statements run one by one, each committing by itself unless the file says BEGIN; the first that fails ends it all.
The file is SQL: psql's own commands and COPY FROM STDIN's data are not understood.
"""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path
from typing import Final

from skerry_engine.errors import DatabaseError, InvalidTransactionState
from skerry_engine.gql.front import parse_batch
from skerry_engine.session.steps import CopyFailed, CopyIn, Finished, Step, Wait
from skerry_server.flushing import flush_log
from skerry_server.session_api import Engine, Session

USER: Final = "skerry"
DATABASE: Final = "postgres"


def run_init_file(engine: Engine, path: str) -> None:
    """Run the file (`-`: standard input).  Raises OSError, and DatabaseError that names the line."""
    text = sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
    session = engine.open_session(DATABASE, USER, {}, 0)
    try:
        start = 0
        for _, source in parse_batch(text):
            start = text.index(source, start)
            _run(engine, session, source, f"{path}, line {text.count(chr(10), 0, start) + 1}")
            start += len(source)
        if session.transaction_status != "I":
            raise InvalidTransactionState(f"{path} leaves a transaction open")
    finally:
        session.close()


def _run(engine: Engine, session: Session, source: str, place: str) -> None:
    reply: object = None
    try:
        answer = session.answer_query(source)
        while not isinstance(answer, Finished):
            reply = _answer(engine, answer.send(reply))
    except StopIteration:
        return
    except DatabaseError as error:
        error.message = f"{place}: {error.message}"
        raise


def _answer(engine: Engine, step: Step) -> object:
    """Do what a step asks for."""
    if isinstance(step, CopyIn):
        return CopyFailed("COPY FROM STDIN has no data here")
    if isinstance(step, Wait):  # for the log, or for the time to pass: nobody else is here to be waited for
        flush_log(engine.durable_log)
        over = threading.Event()
        step.waiting.on_over(over.set)
        until_s = step.waiting.deadline_s()
        over.wait(None if until_s is None else max(0.0, until_s - time.monotonic()))
    return None
