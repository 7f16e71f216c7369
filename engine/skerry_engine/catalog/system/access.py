"""What a catalog function gets to work with: the statement's system context out of the function context."""

from __future__ import annotations

from typing import cast

from skerry_engine.abc import FunctionContext
from skerry_engine.catalog.definitions import DefinitionPrinter
from skerry_engine.catalog.names import CatalogNames
from skerry_engine.catalog.system.context import SystemContext


def system_of(context: FunctionContext) -> SystemContext:
    """The statement's system context."""
    return cast(SystemContext, context.catalog)


def names_of(context: FunctionContext) -> CatalogNames:
    """Names and OIDs as the session sees them."""
    system = system_of(context)
    return CatalogNames(system.catalog, system.database, system.search_path)


def printer_of(context: FunctionContext) -> DefinitionPrinter:
    """Prints definitions as the session sees names."""
    system = system_of(context)
    return DefinitionPrinter(system.database, system.search_path)
