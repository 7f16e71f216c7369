"""A database as SQL text that psql loads, into Skerry and into PostgreSQL.

    catalog queries ──> objects ──> statements, in the order in which they can be run     reading, model, writing
    COPY ... TO STDOUT ───────────> COPY ... FROM stdin blocks, or INSERTs                rows

It asks a session for nothing but SQL and COPY, so a database in this process and a server are dumped by the
same code.  Everything comes from one REPEATABLE READ snapshot: rows and definitions are those of one moment.

    before the data    settings, schemas, sequences, tables with defaults, checks and identities
    data               rows, then the sequences' values
    after the data     checks that are NOT VALID, keys, indexes, foreign keys
    graphs             graph types, graphs, their elements (COPY), their constraints and indexes, graphs over tables
    views              by what they read

Keys and indexes come after the rows because building them once is faster; foreign keys after all keys, so that
circles of them are no special case; views last, because a view may need a primary key (GROUP BY id).  Graphs come after
tables' keys, whose names are given, so that names which a graph's type makes are free ones; and before views, which
may have patterns.

What always holds:
- The same database gives the same text, on whatever server: objects stand in the order of their names, never of
  their OIDs.  So the dump of a loaded dump is that dump, byte by byte, and a test can ask for that.
- Text depends on no setting of the session that dumps: names are qualified, values are written as under fixed
  settings, which the script sets again where reading depends on them.
- What can't be dumped is an error that names it, never left out.  Left out on purpose: roles, owners, privileges,
  settings of databases, temporary tables, the rows of other databases; and graphs, with the views that read them,
  where that is asked for, since PostgreSQL has none.
"""

from __future__ import annotations

from skerry.dump.dumping import DumpOptions, DumpSession, as_writer, dump

__all__ = ["DumpOptions", "DumpSession", "as_writer", "dump"]
