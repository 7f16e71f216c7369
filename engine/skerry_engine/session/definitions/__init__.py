"""Definitions: every statement that changes the catalog, or looks after what it describes.

    execute_definition(statement, context)   a generator of steps that ends in Complete(tag)
    is_definition(statement)                 whether this package executes it

The caller has started a statement in the transaction, and finishes or abandons it.  An executor locks what it
touches, waits where others hold it, looks at the catalog again after each wait, and makes its changes by pure
functions that the kernel replays at commit.  Storages and indexes that it makes go again by hooks when their
part of the transaction is rolled back.  Long work (building an index, checking rows, rewriting a table)
is done in bounded slices.

    context       what the session provides            waiting, names, change    locks, look-ups, catalog changes
    binding       stored expressions and views         validation, rewriting     work over existing rows
    tables, like, columns, constraints, indexes, views, sequences, alter*, drop, truncate, objects, databases,
    maintenance: the executors, by topic
"""

from skerry_engine.session.definitions.context import DefinitionContext
from skerry_engine.session.definitions.dispatch import execute_definition, is_definition

__all__ = ["DefinitionContext", "execute_definition", "is_definition"]
