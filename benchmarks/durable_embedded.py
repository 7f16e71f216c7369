"""What an embedded database does on a disk, timed in a process of its own; prints JSON.

python durable_embedded.py commits sqlite3|skerry DIRECTORY THREADS SECONDS
    inserts of one row, each committed by itself, and what they take: rate, p50_ms, p99_ms, cpu_us
python durable_embedded.py open DIRECTORY
    opening alone, as after a crash: nothing is closed; seconds, and the bytes of log that were replayed
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import threading
import time
from pathlib import Path
from typing import Any

CREATE = "CREATE TABLE note (id int PRIMARY KEY, author int, body text)"
BODY = "0123456789" * 10


class Client:
    """A connection that inserts rows with keys nobody else takes."""

    def __init__(self, library: str, directory: Path, number: int) -> None:
        self.latencies_s: list[float] = []
        self._next_id = number * 100_000_000
        self._connection: Any
        if library == "sqlite3":
            self._connection = sqlite3.connect(
                directory / "data.db", isolation_level=None, check_same_thread=False
            )
            self.run("PRAGMA journal_mode = WAL")
            self.run("PRAGMA synchronous = FULL")
            self._insert = "INSERT INTO note VALUES (?, ?, ?)"
        else:
            import skerry

            self._connection = skerry.connect(directory / "data", autocommit=True)
            self._insert = "INSERT INTO note VALUES (%s, %s, %s)"
        self._cursor = self._connection.cursor()

    def run(self, text: str) -> list[Any]:
        """Run a statement; its rows, if it has a result."""
        cursor = self._connection.cursor()
        cursor.execute(text)
        return list(cursor.fetchall()) if cursor.description else []

    def insert_until(self, end_s: float) -> None:
        """Insert rows until the time has come."""
        execute, text, latencies_s = self._cursor.execute, self._insert, self.latencies_s
        before_s = time.perf_counter()
        while before_s < end_s:
            self._next_id += 1
            execute(text, (self._next_id, 1, BODY))
            now_s = time.perf_counter()
            latencies_s.append(now_s - before_s)
            before_s = now_s

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def commits(library: str, directory: Path, threads: int, seconds: float) -> dict[str, float]:
    """Insert from several threads."""
    clients = [Client(library, directory, number) for number in range(threads)]
    clients[0].run(CREATE)
    began_s, cpu_s = time.perf_counter(), time.process_time()
    end_s = began_s + seconds
    workers = [threading.Thread(target=client.insert_until, args=(end_s,)) for client in clients]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    taken_s, cpu_s = time.perf_counter() - began_s, time.process_time() - cpu_s
    latencies = sorted(latency for client in clients for latency in client.latencies_s)
    found = clients[0].run("SELECT count(*) FROM note")[0][0]
    if found != len(latencies):
        raise SystemExit(f"{len(latencies)} rows were committed, and {found} are there")
    for client in clients:
        client.close()
    return {
        "rate": len(latencies) / taken_s,
        "p50_ms": latencies[len(latencies) // 2] * 1000,
        "p99_ms": latencies[len(latencies) * 99 // 100] * 1000,
        "cpu_us": cpu_s * 1e6 / len(latencies),
    }


def open_alone(directory: Path) -> dict[str, float]:
    """Open a database and leave it as a crash would."""
    from skerry_engine.base.environment import Base
    from skerry_engine.engine import Engine
    from skerry_engine.log.control import read_control
    from skerry_engine.log.disk import OsDisk
    from skerry_engine.log.reader import open_log

    disk = OsDisk(directory)
    control = read_control(disk)
    assert control is not None
    base = Base(str(directory / "base"), control.cluster_id)
    records = open_log(disk, control.cluster_id, base.epoch).records(base.epoch)
    replayed = sum(len(record.body) for record in records)
    base.close()
    began_s = time.perf_counter()
    engine = Engine.open(str(directory))
    taken_s = time.perf_counter() - began_s
    assert engine.durable is not None
    return {"seconds": taken_s, "replayed_bytes": replayed}


def main() -> None:
    """The command line."""
    if sys.argv[1] == "commits":
        library, directory, threads, seconds = sys.argv[2:]
        print(json.dumps(commits(library, Path(directory), int(threads), float(seconds))))
    else:
        print(json.dumps(open_alone(Path(sys.argv[2]))), flush=True)
        os._exit(0)


if __name__ == "__main__":
    main()
