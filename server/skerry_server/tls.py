"""TLS without I/O: bytes from the socket in, what the client said out; and the other way.

    socket --data--> receive() --what the client said--> Backend --answer--> send() --output()--> socket

A connection turns to TLS when the client asks for it in the clear (SSLRequest, answered by 'S'), or begins with it at
once, as PostgreSQL 17's clients can: then it must name the protocol "postgresql" (ALPN), so that nobody has a browser,
say, talk to the server in another's name.  TLS 1.2 and later.

The certificates are read again on SIGHUP, for connections that begin from then on; files that do not fit together leave
the old ones in use.

What it does not do: anything with files after start but reading them again; compression, renegotiation, session tickets
of its own.
"""

from __future__ import annotations

import os
import ssl
import stat
from dataclasses import dataclass
from typing import Final

from skerry_engine.catalog.system.context import TlsInfo
from skerry_engine.errors import InvalidParameterValue

ALPN: Final = "postgresql"
CLIENT_HELLO: Final = 0x16
"""The first byte of a connection that begins with TLS; no start-up packet has it."""

_READ_BYTES: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """The server's certificate (with its chain) and key, and whose certificates clients must show; PEM."""

    certificate: str
    key: str
    client_authorities: str | None = None


class TlsSettings:
    """The certificates in use.  Raises InvalidParameterValue, OSError."""

    def __init__(self, files: TlsFiles) -> None:
        self._files = files
        self.context, self.binding = _read(files)

    def reload(self) -> None:
        """Read the files again; what is wrong with them is raised, and changes nothing."""
        self.context, self.binding = _read(self._files)


def _read(files: TlsFiles) -> tuple[ssl.SSLContext, bytes | None]:
    _check_key_file(files.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_alpn_protocols([ALPN])
    try:
        context.load_cert_chain(files.certificate, files.key, _no_passphrase)
        if files.client_authorities is not None:
            context.load_verify_locations(files.client_authorities)
            context.verify_mode = ssl.CERT_REQUIRED
    except ssl.SSLError as problem:
        raise InvalidParameterValue(
            f"the TLS certificate, its key or its authorities are no good: {problem}"
        ) from None
    with open(files.certificate, encoding="ascii", errors="replace") as file:
        return context, _bindable(file.read())


def _no_passphrase() -> str:
    raise InvalidParameterValue("the TLS key is encrypted: a server has nobody to ask for its passphrase")


def _check_key_file(path: str) -> None:
    """A key that others can read is no secret."""
    found = os.stat(path)
    allowed = stat.S_IRWXU | stat.S_IRGRP if found.st_uid == 0 else stat.S_IRWXU
    if os.name == "posix" and stat.S_IMODE(found.st_mode) & ~allowed:
        raise InvalidParameterValue(
            f'private key file "{path}" has group or world access',
            hint="chmod 600, or 640 where root owns it.",
        )


def _bindable(pem: str) -> bytes | None:
    """The certificate's hash, as SCRAM's channel binding has it; None where its signature names none (Ed25519)."""
    from scramp import ScramException, ScramMechanism

    try:
        binding = ("tls-server-end-point", pem)
        return bytes(ScramMechanism().make_server(_nobody, channel_binding=binding).cb.data)
    except ScramException:
        return None


def _nobody(_: str) -> None:
    """Nobody is asked for."""


class TlsChannel:
    """One connection's TLS.  `is_direct`: it began with it.  `binding` is the hash of the certificate in use."""

    def __init__(self, settings: TlsSettings, is_direct: bool) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._object = settings.context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._is_direct = is_direct
        self._is_open = False
        self.binding = settings.binding
        self.is_over = False

    def receive(self, data: bytes) -> bytes:
        """What the client said, as far as it is complete; look at `output` afterwards.  Raises ssl.SSLError."""
        self._incoming.write(data)
        if not self._is_open and not self._shake_hands():
            return b""
        said: list[bytes] = []
        while not self.is_over:
            try:
                part = self._object.read(_READ_BYTES)
            except ssl.SSLWantReadError:
                break
            except ssl.SSLZeroReturnError:
                part = b""
            if part:
                said.append(part)
            else:
                self.is_over = True
        return b"".join(said)

    def _shake_hands(self) -> bool:
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            return False
        if self._is_direct and self._object.selected_alpn_protocol() != ALPN:
            raise ssl.SSLError("a connection that begins with TLS has to ask for the protocol postgresql")
        self._is_open = True
        return True

    def send(self, data: bytes) -> None:
        """Tell the client; look at `output` afterwards.  Raises ssl.SSLError."""
        self._object.write(data)

    def output(self) -> bytes:
        """What is to be written to the socket."""
        return self._outgoing.read()

    def close(self) -> None:
        """Say that no more comes, so that the client knows that nothing was cut off."""
        try:
            self._object.unwrap()
        except (ssl.SSLError, ValueError):
            pass  # the client has not said so itself, and need not

    def state(self) -> TlsInfo:
        """What it came to."""
        cipher, _, bits = self._object.cipher() or ("", "", 0)
        certificate = self._object.getpeercert() or {}
        serial = certificate.get("serialNumber")
        return TlsInfo(
            self._object.version() or "",
            cipher,
            bits,
            _shown_name(certificate.get("subject")),
            None if serial is None else int(str(serial), 16),
            _shown_name(certificate.get("issuer")),
        )


_SHORT: Final = {
    "commonName": "CN",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "countryName": "C",
    "stateOrProvinceName": "ST",
    "localityName": "L",
    "domainComponent": "DC",
}


def _shown_name(name: object) -> str | None:
    """A distinguished name as OpenSSL prints it in one line."""
    if not isinstance(name, tuple) or not name:
        return None
    return "".join(f"/{_SHORT.get(key, key)}={value}" for part in name for key, value in part)
