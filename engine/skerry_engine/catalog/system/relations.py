"""Every relation of pg_catalog and information_schema, assembled from the layout and the row makers."""

from __future__ import annotations

from skerry_engine.catalog.objects import SystemTable

SYSTEM_TABLES: tuple[SystemTable, ...] = ()
