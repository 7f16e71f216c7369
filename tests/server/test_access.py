"""Who gets in, and how: passwords, TLS, client certificates, what sessions start with; with real clients."""

from __future__ import annotations

import asyncio
import base64
import io
import os
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some
from support.certificates import Certificates, make_certificates
from support.postgres_server import Address
from support.skerry_process import skerry_process
from support.wire_client import WireClient

import skerry
from skerry_engine import errors
from skerry_engine.catalog.passwords import Credentials, make_verifier, mock_verifier, read_verifier
from skerry_server import cli
from skerry_server.authentication import AUTO, SCRAM, TRUST, is_trusted
from skerry_server.protocol.scram import PLAIN, PLUS, ScramExchange

WORLD = """
create role ann login password 'secret';
create role without login;
create role nobody password 'secret';
create role late login password 'secret' valid until '2020-01-01';
create role one login connection limit 1;
create role starter login;
alter role starter set work_mem = '7MB';
alter role starter in database postgres set application_name = 'started';
alter database postgres set search_path = public, elsewhere;
alter database postgres set work_mem = '9MB';
"""


# --- a server with TLS --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("world") / "world.sql"
    path.write_text(WORLD)
    return path


@pytest.fixture(scope="module")
def server(certificates: Certificates, world: Path) -> Iterator[Address]:
    files = certificates
    tls = ["--tls-cert", str(files.server), "--tls-key", str(files.server_key)]
    with skerry_process(["--init", str(world), "--log-level", "error", *tls]) as address:
        yield address


def _psql(server: Address, options: str, sql: str, password: str = "secret") -> str:
    """What psql prints, or its complaint."""
    done = subprocess.run(
        ["psql", "-XAtqw", f"host=127.0.0.1 port={server.port} dbname=postgres {options}", "-c", sql],
        capture_output=True,
        text=True,
        timeout=20,
        env={**os.environ, "PGPASSWORD": password},
        check=False,
    )
    return (done.stdout if done.returncode == 0 else done.stderr.partition("FATAL:")[2]).strip()


def test_a_password_counts_from_when_it_is_set(server: Address) -> None:
    assert _psql(server, "user=ann sslmode=disable", "select current_user") == "ann"
    wrong = 'password authentication failed for user "ann"'
    assert _psql(server, "user=ann sslmode=disable", "select 1", "wrong") == wrong
    assert _psql(server, "user=without sslmode=disable", "select current_user") == "without"


def test_psql_verifies_the_server_and_binds_the_password_to_it(
    server: Address, certificates: Certificates
) -> None:
    options = f"user=ann sslmode=verify-full sslrootcert={certificates.authority} channel_binding=require"
    sql = "select version, client_dn is null from pg_stat_ssl where pid = pg_backend_pid()"
    assert _psql(server, options, sql) == "TLSv1.3|t"
    assert len(_psql(server, options, "select repeat('x', 700000)")) == 700_000


@pytest.mark.parametrize(
    ("user", "sqlstate", "message"),
    [
        ("late", "28P01", 'password authentication failed for user "late"'),
        ("nowhere", "28000", 'role "nowhere" does not exist'),
    ],
)
def test_who_does_not_get_in(server: Address, user: str, sqlstate: str, message: str) -> None:
    with pytest.raises(skerry.OperationalError) as refused:
        skerry.connect(f"skerry://{user}:secret@127.0.0.1:{server.port}/postgres")
    assert (refused.value.sqlstate, refused.value.message) == (sqlstate, message)


def test_roles_that_may_not_log_in_and_databases_that_are_not(server: Address) -> None:
    for user, database, sqlstate, message in (
        ("nobody", "postgres", "28000", 'role "nobody" is not permitted to log in'),
        ("ann", "nowhere", "3D000", 'database "nowhere" does not exist'),
    ):
        with pytest.raises(skerry.DatabaseError) as refused:
            skerry.connect(f"skerry://{user}:secret@127.0.0.1:{server.port}/{database}")
        assert (refused.value.sqlstate, refused.value.message) == (sqlstate, message)


def test_the_driver_says_where_it_knocked() -> None:
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(skerry.OperationalError, match=rf"127\.0\.0\.1.*{port}"):
        skerry.connect(f"skerry://127.0.0.1:{port}/x")


def test_the_driver_over_tls(server: Address, certificates: Certificates) -> None:
    address = f"skerry://ann:secret@127.0.0.1:{server.port}/postgres?sslmode="
    query = "select ssl from pg_stat_ssl where pid = pg_backend_pid()"
    for mode, is_encrypted in (("disable", False), ("prefer", True), ("require", True)):
        with closing(skerry.connect(address + mode)) as connection:
            assert connection.cursor().execute(query).fetchall() == [(is_encrypted,)], mode
    with closing(skerry.connect(f"{address}verify-full&sslrootcert={certificates.authority}")) as connection:
        assert connection.cursor().execute(query).fetchall() == [(True,)]
    with pytest.raises(skerry.OperationalError, match="certificate"):
        skerry.connect(f"{address}verify-ca")
    with pytest.raises(skerry.InterfaceError, match="sslmode"):
        skerry.connect(f"{address}perhaps")


def test_the_driver_over_tls_on_an_event_loop(server: Address, certificates: Certificates) -> None:
    address = f"skerry://ann:secret@127.0.0.1:{server.port}/postgres?sslmode="
    query = "select ssl, repeat('x', 700000) from pg_stat_ssl where pid = pg_backend_pid()"

    async def encrypted(mode: str) -> object:
        connection = await skerry.connect_async(address + mode)
        try:
            ((is_encrypted, text),) = await (await connection.execute(query)).fetchall()
            assert len(str(text)) == 700_000
            cursor = await connection.execute("CREATE TEMPORARY TABLE sent (x text)")
            await cursor.executemany("INSERT INTO sent VALUES (%s)", [("y" * 1000,)] * 500)
            return is_encrypted
        finally:
            await connection.close()

    modes = [("disable", False), ("prefer", True), ("require", True)]
    modes.append((f"verify-full&sslrootcert={certificates.authority}", True))
    for mode, is_encrypted in modes:
        assert asyncio.run(encrypted(mode)) is is_encrypted, mode
    with pytest.raises(skerry.OperationalError, match="certificate"):
        asyncio.run(encrypted("verify-ca"))
    with pytest.raises(skerry.errors.InvalidPassword):
        asyncio.run(skerry.connect_async(address.replace("secret", "wrong") + "prefer"))


def test_a_connection_may_begin_with_tls_if_it_names_the_protocol(server: Address) -> None:
    startup = struct.pack(">II", 8 + len(b"user\0starter\0database\0postgres\0\0"), 0x30000)
    startup += b"user\0starter\0database\0postgres\0\0"
    for protocols, answer in ((["postgresql"], b"R"), (["http/1.1"], b""), ([], b"")):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if protocols:
            context.set_alpn_protocols(protocols)
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as plain:
            try:
                with context.wrap_socket(plain) as encrypted:
                    encrypted.sendall(startup)
                    heard = encrypted.recv(1)
            except (ssl.SSLError, ConnectionError):
                heard = b""
        assert heard == answer, protocols


def test_what_comes_in_the_clear_behind_a_request_for_tls_is_not_heard(server: Address) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(struct.pack(">II", 8, 80877103) + b"X")
        assert b"received unencrypted data after SSL request" in connection.recv(1000)


def test_rubbish_instead_of_tls_ends_the_connection(server: Address) -> None:
    for rubbish in (b"\x16\x03\x01rubbish" * 20, b"\x16"):
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
            connection.sendall(rubbish)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(1000):
                pass


def test_sessions_start_with_what_was_set_for_them(server: Address) -> None:
    with closing(WireClient(Address("127.0.0.1", server.port, "starter"), "postgres")) as client:
        shown = [client.query(f"show {name}").rows[0][0] for name in ("work_mem", "search_path")]
        assert shown == ["7MB", "public, elsewhere"]
        assert client.parameters["application_name"] == "started"
    options = {"application_name": "mine", "options": "-c work_mem=1MB --search-path=x"}
    with closing(WireClient(Address("127.0.0.1", server.port, "starter"), "postgres", **options)) as client:
        shown = [client.query(f"show {name}").rows[0][0] for name in ("work_mem", "search_path")]
        assert (shown, client.parameters["application_name"]) == (["1MB", "x"], "mine")


def test_a_role_has_no_more_sessions_than_it_may(server: Address) -> None:
    address = Address("127.0.0.1", server.port, "one")
    with (
        closing(WireClient(address, "postgres")),
        pytest.raises(ConnectionError, match='53300: too many connections for role "one"'),
    ):
        WireClient(address, "postgres")


def test_client_certificates_are_asked_for(certificates: Certificates, world: Path) -> None:
    files = certificates
    tls = [
        "--tls-cert",
        str(files.server),
        "--tls-key",
        str(files.server_key),
        "--tls-ca",
        str(files.authority),
    ]
    with skerry_process(["--init", str(world), "--log-level", "error", *tls]) as server:
        own = f"user=starter sslmode=require sslcert={files.client} sslkey={files.client_key}"
        sql = "select client_dn, issuer_dn from pg_stat_ssl where pid = pg_backend_pid()"
        assert _psql(server, own, sql) == "/O=Tests/CN=ann|/CN=Test authority"
        assert "no encryption" in _psql(server, "user=starter sslmode=disable", "select 1")
        assert _psql(server, "user=starter sslmode=require sslcert=none", "select 1") == ""


def _shown_certificate(server: Address) -> bytes:
    """The server's certificate, as it shows it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection((server.host, server.port), timeout=10) as plain:
        plain.sendall(struct.pack(">II", 8, 80877103))
        assert plain.recv(1) == b"S"
        with context.wrap_socket(plain) as encrypted:
            return encrypted.getpeercert(binary_form=True) or b""


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Windows has no SIGHUP")
def test_certificates_are_read_again_on_sighup(certificates: Certificates, tmp_path: Path) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "cert.key"
    pairs = ((certificates.server, certificates.server_key), (certificates.client, certificates.client_key))

    def place(pair: tuple[Path, Path]) -> bytes:
        shutil.copy(pair[0], certificate)
        shutil.copy(pair[1], key)
        return ssl.PEM_cert_to_DER_cert(pair[0].read_text())

    started: list[subprocess.Popen[bytes]] = []
    old = place(pairs[0])
    arguments = ["--log-level", "error", "--tls-cert", str(certificate), "--tls-key", str(key)]
    with skerry_process(arguments, on_start=started.append) as server:
        assert _shown_certificate(server) == old
        new = place(pairs[1])
        started[0].send_signal(signal.SIGHUP)
        deadline_s = time.monotonic() + 10
        while _shown_certificate(server) != new:
            assert time.monotonic() < deadline_s
        shutil.copy(certificates.server_key, key)  # of another certificate: what is in use stays
        started[0].send_signal(signal.SIGHUP)
        time.sleep(0.3)
        assert _shown_certificate(server) == new


def test_files_that_make_no_tls(certificates: Certificates, tmp_path: Path) -> None:
    open_key = tmp_path / "open.key"
    open_key.write_bytes(certificates.server_key.read_bytes())
    open_key.chmod(0o644)
    serve = ["serve", "--port", "0", "--tls-cert", str(certificates.server)]
    assert cli.main(serve) == 1
    assert cli.main([*serve, "--tls-key", str(open_key)]) == 1
    assert cli.main([*serve, "--tls-key", str(certificates.client_key)]) == 1
    assert cli.main(["serve", "--port", "0", "--tls-required"]) == 1
    assert cli.main(["serve", "--port", "0", "--host", "0.0.0.0", "--auth", "trust"]) == 1


# --- the rules ----------------------------------------------------------------------------------------------

KNOWN, OPEN, UNKNOWN = Credentials("SCRAM-SHA-256$..."), Credentials(""), None


def test_who_is_trusted() -> None:
    cases = [
        (method, is_local, name)
        for method in (AUTO, SCRAM, TRUST)
        for is_local in (True, False)
        for name, credentials in (("known", KNOWN), ("open", OPEN), ("unknown", UNKNOWN))
        if is_trusted(method, is_local, credentials)
    ]
    trusted = [(TRUST, True, name) for name in ("known", "open", "unknown")]
    assert cases == [(AUTO, True, "open"), (AUTO, True, "unknown"), *trusted]


def test_under_scram_who_is_unknown_looks_like_a_wrong_password(world: Path) -> None:
    with skerry_process(["--init", str(world), "--log-level", "error", "--auth", "scram"]) as server:
        for user in ("ann", "without", "nowhere", "late"):
            said = _psql(server, f"user={user}", "select 1", "wrong")
            assert said == f'password authentication failed for user "{user}"'
        assert _psql(server, "user=ann", "select 1") == "1"


# --- SCRAM itself -------------------------------------------------------------------------------------------


def test_a_verifier_reads_as_it_is_written() -> None:
    verifier = make_verifier("sécret", b"0123456789abcdef")
    assert read_verifier(str(verifier)) == verifier
    assert str(verifier) == (
        "SCRAM-SHA-256$4096:MDEyMzQ1Njc4OWFiY2RlZg==$"
        + base64.b64encode(verifier.stored_key).decode()
        + ":"
        + base64.b64encode(verifier.server_key).decode()
    )
    for text in (
        "",
        "secret",
        "SCRAM-SHA-256$4096:x$y:z",
        str(verifier)[:-5],
        "SCRAM-SHA-256$0:MDE=$MDE=:MDE=",
    ):
        assert read_verifier(text) is None


def test_a_mock_verifier_has_the_same_salt_at_every_attempt() -> None:
    one, other = (mock_verifier("x", b"secret") for _ in range(2))
    assert one.salt == other.salt != mock_verifier("y", b"secret").salt
    assert one.stored_key != other.stored_key


def _first(mechanism: str, message: bytes) -> bytes:
    return mechanism.encode() + b"\0" + struct.pack(">I", len(message)) + message


@pytest.mark.parametrize(
    ("mechanism", "message", "sqlstate"),
    [
        (PLAIN, b"y,,n=,r=abc", "28000"),  # it could have bound the exchange, and somebody told it not to
        (PLAIN, b"p=tls-server-end-point,,n=,r=abc", "08P01"),
        (PLUS, b"n,,n=,r=abc", "28000"),
        (PLUS, b"p=tls-unique,,n=,r=abc", "28000"),
        (PLAIN, b"n,a=ann,n=,r=abc", "28000"),
        (PLAIN, b"n,,n=,r=", "08P01"),
        (PLAIN, b"n,,n=,x=abc", "08P01"),
        (PLAIN, b"n,,m=x,n=,r=abc", "08P01"),
        (PLAIN, b"\xff", "08P01"),
        ("SCRAM-SHA-1", b"n,,n=,r=abc", "08P01"),
    ],
)
def test_messages_that_are_no_beginning(mechanism: str, message: bytes, sqlstate: str) -> None:
    exchange = ScramExchange("ann", make_verifier("secret"), b"hash of the certificate")
    with pytest.raises(errors.OperationalError) as refused:
        exchange.answer(_first(mechanism, message))
    assert refused.value.sqlstate == sqlstate


@given(
    some.binary(max_size=80),
    some.sampled_from([b"", b"c=biws,", b"c=biws,r=", b"c=eSws,r=", b"c=biws,r=N,p="]),
)
def test_no_rubbish_proves_anything(rubbish: bytes, beginning: bytes) -> None:
    exchange = ScramExchange("ann", make_verifier("secret", b"salt" * 4, 1), None)
    nonce = exchange.answer(_first(PLAIN, b"n,,n=,r=abc")).split(b",")[0][2:]
    with pytest.raises(errors.OperationalError):
        exchange.answer(beginning.replace(b"N", nonce) + rubbish)
    assert not exchange.is_over
    with pytest.raises(errors.OperationalError):
        ScramExchange("ann", make_verifier("secret", b"salt" * 4, 1), None).answer(rubbish)


# --- skerry passwd ------------------------------------------------------------------------------------------


def test_passwd_at_rest_and_through_a_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Address
) -> None:
    data = tmp_path / "data"
    with closing(skerry.connect(data, autocommit=True)) as connection:
        connection.cursor().execute("create role ann login")

    def kept() -> str | None:
        with closing(skerry.connect(data)) as connection:
            query = "select rolpassword from pg_authid where rolname = 'ann'"
            return str(connection.cursor().execute(query).fetchall()[0][0])

    monkeypatch.setattr("sys.stdin", io.StringIO("from a pipe\nand more\n"))
    assert cli.main(["passwd", str(data), "ann"]) == 0
    verifier = read_verifier(kept() or "")
    assert verifier == make_verifier("from a pipe", verifier.salt if verifier else None)
    assert cli.main(["passwd", "--remove", str(data), "ann"]) == 0
    assert kept() == "None"

    typed = iter(["typed", "typo", "typed", "typed"])
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", terminal)
    monkeypatch.setattr("getpass.getpass", lambda prompt: next(typed))
    target = f"skerry://127.0.0.1:{server.port}"
    assert cli.main(["passwd", target, "without"]) == 1
    assert cli.main(["passwd", target, "without"]) == 0
    assert _psql(server, "user=without", "select 1", "typed") == "1"
    assert cli.main(["passwd", "--remove", target, "without"]) == 0
    assert cli.main(["passwd", target, "no such role", "--remove"]) == 1
    assert cli.main(["passwd", str(tmp_path / "missing"), "--remove"]) == 1
