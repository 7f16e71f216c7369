"""The command: what it refuses, and that it serves, announces itself and stops on a signal."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from skerry_engine.engine import Engine
from skerry_engine.errors import InvalidAuthorization
from skerry_server import cli, logs
from skerry_server.server import Server, ServerSettings, is_loopback


@pytest.fixture(autouse=True)
def quiet_logger() -> Iterator[None]:
    """`serve` binds the log to standard error: not beyond a test, whose standard error is captured."""
    yield
    logger = logging.getLogger("skerry")
    logger.handlers.clear()
    logger.propagate = True


def test_a_file_in_the_directorys_place_is_refused(capsys: Any, tmp_path: Path) -> None:
    place = tmp_path / "database"
    place.write_text("something else")
    assert cli.main(["serve", str(place)]) == 1
    assert "File exists" in capsys.readouterr().err


def test_a_database_that_is_in_use_is_refused(capsys: Any, tmp_path: Path) -> None:
    engine = Engine.open(str(tmp_path))
    try:
        assert cli.main(["serve", str(tmp_path)]) == 1
    finally:
        engine.close()
    shown = capsys.readouterr().err
    assert "in use by this process" in shown
    assert "55006" in shown


def test_version(capsys: Any) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(["--version"])
    assert stopped.value.code == 0
    assert capsys.readouterr().out.startswith("skerry ")


def test_no_command_is_wrong_usage(capsys: Any) -> None:
    assert cli.main([]) == 2
    assert "serve" in capsys.readouterr().out


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.com", ""])
def test_listening_elsewhere_is_refused_where_nobody_is_asked(host: str) -> None:
    async def start() -> None:
        settings = ServerSettings(host=host, authentication="trust")
        await Server(None, settings, asyncio.get_running_loop()).start()  # type: ignore[arg-type]

    with pytest.raises(InvalidAuthorization):
        asyncio.run(start())


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost", "::ffff:127.0.0.1"])
def test_loopback_addresses(host: str) -> None:
    assert is_loopback(host)


def test_it_announces_a_psql_line_and_stops_on_a_signal(wire: Any, capsys: Any) -> None:
    engine = wire.Talk(started=False).engine

    def announce(settings: ServerSettings, port: int) -> None:
        cli._announce(settings, port)
        threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGTERM)).start()

    cli._run(cli.serve(engine, ServerSettings(port=0), announce))
    shown = capsys.readouterr().out
    assert shown.startswith("psql -h 127.0.0.1 -p ")
    assert shown.endswith(" -U skerry -d postgres\n")


def record(message: str, **fields: object) -> logging.LogRecord:
    made = logging.LogRecord("skerry.server", logging.INFO, "", 0, message, None, None)
    made.fields = fields
    return made


def test_a_log_line_is_one_line_of_pairs() -> None:
    line = logs.KeyValueFormatter().format(record("connected", user="a b", text='two\nlines "x"', pid=7))
    assert "\n" not in line
    assert line.endswith(
        'level=info logger=skerry.server event=connected user="a b" text="two\\nlines \\"x\\"" pid=7'
    )


def test_a_log_line_as_json() -> None:
    line = logs.JsonFormatter().format(record("connected", pid=7))
    assert json.loads(line)["event"] == "connected"
    assert json.loads(line)["pid"] == 7


def test_a_traceback_stays_on_its_line() -> None:
    made = record("internal error")
    try:
        raise ValueError("why")
    except ValueError as error:
        made.exc_info = (ValueError, error, error.__traceback__)
    line = logs.KeyValueFormatter().format(made)
    assert "\n" not in line
    assert "ValueError: why" in line
