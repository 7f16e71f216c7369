"""TLS as an address asks for it, in libpq's words.

sslmode=disable       never
        prefer        if the server has it; nothing is verified (the default)
        require       or else there is no connection; nothing is verified, unless there is an sslrootcert
        verify-ca     and the server's certificate must be signed by one of sslrootcert (default: the system's)
        verify-full   and be for the host of the address
sslrootcert=FILE      authorities that sign servers' certificates (PEM)
sslcert=, sslkey=     our own certificate and its key, where the server asks for one (PEM)
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import Final

from skerry_engine import errors

MODES: Final = ("disable", "prefer", "require", "verify-ca", "verify-full")


@dataclass(frozen=True, slots=True)
class TlsOptions:
    """What an address says about TLS."""

    mode: str = "prefer"
    root_certificate: str | None = None
    certificate: str | None = None
    key: str | None = None

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise errors.InterfaceError(f"sslmode is one of {', '.join(MODES)}, not {self.mode!r}")

    def context(self) -> ssl.SSLContext | bool | None:
        """What pg8000 is told: False is never, None if there is TLS.  Raises InterfaceError for bad files."""
        if self.mode == "disable":
            return False
        if self.mode == "prefer" and self.certificate is None and self.root_certificate is None:
            return None
        try:
            return self._context()
        except (OSError, ssl.SSLError) as problem:
            raise errors.InterfaceError(f"the address's certificates are no good: {problem}") from None

    def _context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.root_certificate)
        context.check_hostname = self.mode == "verify-full"
        verifies = self.mode.startswith("verify") or (
            self.mode == "require" and self.root_certificate is not None
        )
        context.verify_mode = ssl.CERT_REQUIRED if verifies else ssl.CERT_NONE
        if self.certificate is not None:
            context.load_cert_chain(self.certificate, self.key)
        return context


NO_OPTIONS: Final = TlsOptions()
