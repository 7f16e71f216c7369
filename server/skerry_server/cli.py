"""The `skerry` command.

skerry serve [DIR|:memory:] [--host H] [--port P] [--max-connections N] ...
skerry dump [--schema-only|--data-only] [--table T] [--inserts] [--output FILE] SOURCE
skerry backup SOURCE DEST
skerry restore [--to-epoch N | --to-timestamp T] BACKUP DEST
skerry check DIR
skerry passwd [TARGET] [ROLE]
skerry --version
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from skerry_engine.errors import DatabaseError, Error, InvalidParameterValue
from skerry_server import logs
from skerry_server.authentication import METHODS
from skerry_server.commands import backup, check, dump, passwd, restore
from skerry_server.server import Server, ServerSettings
from skerry_server.session_api import Engine
from skerry_server.tls import TlsFiles, TlsSettings

_IN_MEMORY = ":memory:"
_DEFAULTS = ServerSettings()


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit status: 0 done, 1 refused or failed, 2 wrong usage."""
    options = _parser().parse_args(arguments)
    if options.command is None:
        _parser().print_help()
        return 2
    try:
        status: int = options.run(options)
        return status
    except BrokenPipeError:  # `skerry dump ... | head`: who reads has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (Error, OSError) as error:
        print(f"skerry: error: {_shown(error)}", file=sys.stderr)
        return 1


def _shown(error: Exception) -> str:
    if not isinstance(error, DatabaseError):
        return str(error)
    hint = f"\nskerry: hint: {error.hint}" if error.hint else ""
    return f"{error.message} (SQLSTATE {error.sqlstate}){hint}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="skerry", description="Skerry, a transactional database.")
    parser.add_argument("--version", action="version", version=f"skerry {_version()}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    serve = commands.add_parser(
        "serve",
        help="serve a database over PostgreSQL's protocol",
        epilog=_ACCESS_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    serve.add_argument(
        "directory",
        nargs="?",
        default=_IN_MEMORY,
        metavar="DIR",
        help="data directory, made if it does not exist, or :memory: (the default)",
    )
    serve.add_argument("--host", default=_DEFAULTS.host, help="address to listen on (default %(default)s)")
    serve.add_argument(
        "--port", type=int, default=_DEFAULTS.port, help="port; 0 takes a free one (default %(default)s)"
    )
    serve.add_argument(
        "--max-connections",
        type=int,
        default=_DEFAULTS.max_connections,
        metavar="N",
        help="clients at a time (default %(default)s)",
    )
    serve.add_argument(
        "--gc-interval",
        type=int,
        metavar="N",
        help="collect old row versions every N commits (default 100)",
    )
    serve.add_argument(
        "--retention",
        metavar="TIME",
        help="keep the past readable for so long: 90 (seconds), 15min, 1h, 7d (default 0)",
    )
    serve.add_argument(
        "--retention-bytes",
        metavar="SIZE",
        help="and as long as that takes no more memory than this: 64MB, 1GB (default 256MB)",
    )
    serve.add_argument(
        "--memory-limit",
        metavar="SIZE",
        help="keep the process's memory below this, whatever the size of the directory's database: 256MB, 2GB "
        "(default: half of the machine's)",
    )
    serve.add_argument(
        "--init", metavar="FILE", help="run the SQL statements of a file first, each by itself; - reads stdin"
    )
    serve.add_argument(
        "--read-only",
        action="store_true",
        help="let clients read only: no setting and no transaction mode lets them write",
    )
    _add_access_options(serve)
    serve.add_argument("--log-level", choices=logs.LEVELS, default="info", help="default %(default)s")
    serve.add_argument("--log-format", choices=logs.FORMATS, default="text", help="default %(default)s")
    serve.set_defaults(run=_serve)
    for command in (dump, backup, restore, check, passwd):
        command.add_parser(commands)
    return parser


_ACCESS_HELP = """who gets in:
  --auth auto    a role that has a password must give it (SCRAM-SHA-256); one that has none gets in from
                 this machine (loopback addresses), and from nowhere else
  --auth scram   everybody must give a password; roles without one don't get in
  --auth trust   nobody is asked, and nobody gets in from elsewhere
  Passwords: `skerry passwd`, or CREATE or ALTER ROLE ... PASSWORD.
  With --tls-cert and --tls-key connections may be encrypted, with --tls-required they must be; --tls-ca lets
  in only clients that show a certificate signed by one of FILE's, and so requires TLS, too.  SIGHUP has the
  files read again.
"""


def _add_access_options(serve: argparse.ArgumentParser) -> None:
    access = serve.add_argument_group("access")
    access.add_argument(
        "--auth",
        choices=METHODS,
        default=_DEFAULTS.authentication,
        help="who has to give a password: see below (default %(default)s)",
    )
    access.add_argument("--tls-cert", metavar="FILE", help="the server's certificate, with its chain (PEM)")
    access.add_argument("--tls-key", metavar="FILE", help="its private key (PEM), nobody else's to read")
    access.add_argument("--tls-ca", metavar="FILE", help="authorities that sign clients' certificates (PEM)")
    access.add_argument("--tls-required", action="store_true", help="refuse connections in the clear")


def _tls(options: argparse.Namespace) -> TlsSettings | None:
    """The certificates that were asked for.  Raises what is wrong with them."""
    if options.tls_cert is None and options.tls_key is None:
        if options.tls_required or options.tls_ca is not None:
            raise InvalidParameterValue("TLS needs --tls-cert and --tls-key")
        return None
    if options.tls_cert is None or options.tls_key is None:
        raise InvalidParameterValue("--tls-cert and --tls-key go together")
    return TlsSettings(TlsFiles(options.tls_cert, options.tls_key, options.tls_ca))


def _version() -> str:
    try:
        return version("skerry")
    except PackageNotFoundError:  # run from a source tree
        return "unknown"


def _serve(options: argparse.Namespace) -> int:
    logs.configure(options.log_level, options.log_format)
    settings = ServerSettings(
        host=options.host,
        port=options.port,
        max_connections=options.max_connections,
        authentication=options.auth,
        tls=_tls(options),
        tls_required=options.tls_required or options.tls_ca is not None,
    )
    retention_s, retention_bytes = _retention(options)
    memory_limit_bytes = _bytes(options.memory_limit)
    engine = open_engine(
        options.directory, options.gc_interval, retention_s, retention_bytes, memory_limit_bytes
    )
    try:
        if options.init is not None:
            from skerry_server.init_file import run_init_file  # parsers, which other commands do without

            run_init_file(engine, options.init)
        engine.read_only = options.read_only
        return _run(serve(engine, settings, _announce))
    finally:
        engine.close()


def _retention(options: argparse.Namespace) -> tuple[int | None, int | None]:
    from skerry_engine.session.settings import read_retention

    return read_retention(options.retention, options.retention_bytes)


def _bytes(size: str | None) -> int | None:
    from skerry_engine.session.settings import read_retention

    return read_retention(None, size)[1]


def open_engine(
    directory: str,
    gc_interval_commits: int | None = None,
    retention_s: float | None = None,
    retention_bytes: int | None = None,
    memory_limit_bytes: int | None = None,
) -> Engine:
    """Open what is to be served.  Raises what `skerry_engine.engine.Engine.open` raises."""
    from skerry_engine.engine import Engine as RealEngine

    return RealEngine.open(directory, gc_interval_commits, retention_s, retention_bytes, memory_limit_bytes)


def _announce(settings: ServerSettings, port: int) -> None:
    print(f"psql -h {settings.host} -p {port} -U skerry -d postgres", flush=True)


async def serve(
    engine: Engine, settings: ServerSettings, announce: Callable[[ServerSettings, int], None]
) -> int:
    """Serve until SIGINT or SIGTERM; a second signal ends connections without grace.

    Returns the exit status: 1 when the log failed and the server stopped by itself.
    """
    loop = asyncio.get_running_loop()
    server = Server(engine, settings, loop)
    stop = asyncio.Event()
    announce(settings, await server.start())

    def on_signal() -> None:
        if stop.is_set():
            server.terminate_all()
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # loops on Windows have no signal handlers
            loop.add_signal_handler(number, on_signal)
    with contextlib.suppress(NotImplementedError, AttributeError):
        loop.add_signal_handler(signal.SIGHUP, server.reload)
    waits = [asyncio.ensure_future(event.wait()) for event in (stop, server.failed)]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
    await server.stop()
    return 1 if server.failed.is_set() else 0


def _run(program: Coroutine[Any, Any, int]) -> int:
    """On uvloop, or on plain asyncio where it is missing; returns the exit status."""
    try:
        import uvloop
    except ImportError:
        factory = None
    else:
        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner, contextlib.suppress(KeyboardInterrupt):
        return runner.run(program)
    return 0


if __name__ == "__main__":
    sys.exit(main())
