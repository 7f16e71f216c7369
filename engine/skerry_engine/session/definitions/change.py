"""Making a change to the transaction's catalog."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from skerry_engine.catalog.catalog import Catalog
from skerry_engine.session.definitions.context import DefinitionContext


def change_catalog(context: DefinitionContext, change: Callable[[Catalog], Catalog]) -> None:
    """Make a pure change to the transaction's catalog now, and to the newest one at commit."""
    context.transaction.set_catalog_change(lambda catalog: change(cast(Catalog, catalog)))
