"""Certificates for tests: an authority, a server's for localhost and 127.0.0.1, a client's."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Certificates:
    """Files in PEM."""

    authority: Path
    server: Path
    server_key: Path
    client: Path
    client_key: Path


def make_certificates(directory: Path) -> Certificates:
    """Made by the `openssl` command."""
    ca, ca_key = directory / "ca.pem", directory / "ca.key"
    _openssl("req", "-x509", *_new_key(ca_key), "-out", ca, "-days", "30", "-subj", "/CN=Test authority")
    made = [_signed(directory, name, subject, ca, ca_key) for name, subject in _SUBJECTS]
    return Certificates(ca, *made[0], *made[1])


_SUBJECTS = (("server", "/CN=localhost"), ("client", "/O=Tests/CN=ann"))


def _signed(directory: Path, name: str, subject: str, ca: Path, ca_key: Path) -> tuple[Path, Path]:
    key, request, certificate = (directory / f"{name}.{end}" for end in ("key", "csr", "pem"))
    _openssl("req", *_new_key(key), "-out", request, "-subj", subject)
    extension = directory / "extension"
    extension.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    signing = ("-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-sha256", "-extfile", extension)
    _openssl("x509", "-req", "-in", request, *signing, "-out", certificate, "-days", "30")
    return certificate, key


def _new_key(path: Path) -> tuple[object, ...]:
    return ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", path)


def _openssl(*arguments: object) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, timeout=30)
