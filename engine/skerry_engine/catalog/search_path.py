"""The schemas that unqualified names are looked up in, as one session sees them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SearchPath:
    """`schemas` in the order searched, the implicit ones (pg_temp, pg_catalog) included.

    `creation` is where CREATE without a schema puts things, 0 when the path names no existing schema; `named`
    are the explicit entries that exist, as current_schemas(false) lists them.  `temporary` is the session's
    own pg_temp schema, 0 while it has none.
    """

    schemas: tuple[int, ...]
    creation: int
    named: tuple[int, ...]
    temporary: int = 0
