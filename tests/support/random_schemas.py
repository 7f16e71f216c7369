"""Random databases: definitions of every kind that depend on each other, in statements that Skerry and PostgreSQL take.

    statements = SchemaMaker(random.Random(seed)).statements()

Tables refer to others, to themselves and in circles; names need quotes now and then; columns are dropped, added
and renamed after the fact; views stand on views whose names sort before theirs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

NAMES = [
    "a",
    "b",
    "Zed",
    "select",
    "two words",
    'q"uote',
    "é",
    "x1",
    "_u",
    "back\\slash",
    "tab\there",
    "A",
    "$1",
    "1st",
]

TYPES: dict[str, list[str]] = {
    "integer": ["0", "-2147483648", "7"],
    "bigint": ["9223372036854775807", "-1"],
    "smallint": ["-32768", "5"],
    "text": ["''", "'it''s'", r"E'a\tb\\c\nd'", r"'\.'", r"'\N'", "'ü😀'", "repeat('y', 3000)"],
    "varchar(12)": ["'abc'", "' lead'", "''"],
    "character(4)": ["'ab'", "''"],
    "boolean": ["true", "false"],
    "numeric": ["'NaN'", "1.10", "-0.00001", "'Infinity'", "12345678901234567890.5"],
    "numeric(8,3)": ["1.5", "-99999.999"],
    "double precision": ["0.1", "'NaN'", "'-0'", "1e-300", "'-Infinity'", "1.7976931348623157e308"],
    "real": ["1.1", "3e38"],
    "date": ["'2020-02-29'", "'infinity'", "'0044-03-15 BC'"],
    "time without time zone": ["'24:00'", "'01:02:03.4'"],
    "time(2) with time zone": ["'01:02:03.456+05:30'"],
    "timestamp with time zone": ["'2020-01-01 00:00:00.000001+00'", "'-infinity'"],
    "timestamp(1) without time zone": ["'1999-12-31 23:59:59.94'"],
    "interval": ["'1 year -1 day 00:00:00.5'", "'-1 mon'"],
    "uuid": ["'12345678-9abc-def0-1234-56789abcdef0'"],
    "bytea": [r"'\x00ff5c'", r"'\x'"],
    "json": ["'{\"a\":  1}'", "'[]'"],
    "jsonb": ['\'{"b": 1, "a": null}\'', "'\"x\"'"],
    "integer[]": ["'{}'", "'{1,NULL,3}'", "'{{1,2},{3,4}}'"],
    "text[]": ['\'{"",NULL,"NULL","a,b"}\''],
}
KEYS = ["integer", "bigint", "text", "date", "uuid", "numeric(8,3)"]
ACTIONS = ["", " ON DELETE CASCADE", " ON DELETE SET NULL ON UPDATE CASCADE", " ON UPDATE RESTRICT"]
DEFERS = ["", "", " DEFERRABLE", " DEFERRABLE INITIALLY DEFERRED"]


def quoted(name: str) -> str:
    """An identifier, always in quotes."""
    return '"' + name.replace('"', '""') + '"'


@dataclass
class MadeTable:
    """A table that was made: what others may refer to."""

    name: str
    key: tuple[str, str] | None
    columns: dict[str, str] = field(default_factory=dict)


class SchemaMaker:
    """Makes one database."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.made: list[str] = []
        self.tables: list[MadeTable] = []
        self.sequences: list[str] = []
        self.views: list[tuple[str, list[str]]] = []
        self.schemas = ["public"]
        self.number = 0

    def statements(self) -> list[str]:
        """All of it, in an order that works."""
        for _ in range(self.rng.randrange(3)):
            name = self.name()
            self.add(f"CREATE SCHEMA {name}")
            self.schemas.append(name)
        for _ in range(self.rng.randrange(3)):
            self.sequence()
        for _ in range(self.rng.randrange(1, 6)):
            self.table()
        for _ in range(self.rng.randrange(4)):
            self.foreign_key(self.rng.choice(self.tables))
        for _ in range(self.rng.randrange(5)):
            self.view()
        return self.made

    def add(self, statement: str) -> None:
        self.made.append(statement)

    def one_in(self, n: int) -> bool:
        return self.rng.randrange(n) == 0

    def name(self) -> str:
        """A new name: the later, the earlier it sorts, or the other way round."""
        self.number += 1
        prefix = self.rng.choice(["", "", chr(ord("z") - self.number % 26)])
        return quoted(f"{prefix}{self.rng.choice(NAMES)}{self.number}")

    def relation(self) -> str:
        return f"{self.rng.choice(self.schemas)}.{self.name()}"

    def comment(self, kind: str, name: str) -> None:
        if self.one_in(4):
            text = self.rng.choice(["'plain'", "'it''s'", "'two\nlines; -- \\.'"])
            self.add(f"COMMENT ON {kind} {name} IS {text}")

    # --- sequences and tables -------------------------------------------------------------------------------

    def sequence(self) -> None:
        name = self.relation()
        options = self.rng.choice(
            ["", " INCREMENT -3", " START 5 MAXVALUE 9 CYCLE", " AS smallint MINVALUE -7 START -7"]
        )
        self.add(f"CREATE SEQUENCE {name}{options}")
        for _ in range(self.rng.randrange(4)):
            self.add(f"SELECT nextval('{name.replace(chr(39), chr(39) * 2)}')")
        self.sequences.append(name)
        self.comment("SEQUENCE", name)

    def table(self) -> None:
        table = MadeTable(self.relation(), None)
        parts = [self.column(table) for _ in range(self.rng.randrange(7))]
        doomed = self.name() if self.one_in(4) else None
        if doomed:
            parts.insert(self.rng.randrange(len(parts) + 1), f"{doomed} text DEFAULT 'gone'")
        unlogged = "UNLOGGED " if self.one_in(8) else ""
        self.add(f"CREATE {unlogged}TABLE {table.name} ({', '.join(parts)})")
        self.fill(table)
        if doomed:
            self.add(f"ALTER TABLE {table.name} DROP COLUMN {doomed}")
        if self.one_in(3):
            column = self.name()
            self.add(
                f"ALTER TABLE {table.name} ADD COLUMN {column} integer DEFAULT {self.rng.randrange(9)} NOT NULL"
            )
            table.columns[column] = "integer"
            self.fill(table)
        self.key(table)
        self.indexes(table)
        self.comment("TABLE", table.name)
        for column in table.columns:
            self.comment("COLUMN", f"{table.name}.{column}")
        if table.columns and self.one_in(4):
            old, new = self.rng.choice(list(table.columns)), self.name()
            self.add(f"ALTER TABLE {table.name} RENAME COLUMN {old} TO {new}")
            table.columns = {new if name == old else name: kind for name, kind in table.columns.items()}
            table.key = (new, table.key[1]) if table.key and table.key[0] == old else table.key
        self.tables.append(table)

    def column(self, table: MadeTable) -> str:
        name = self.name()
        kind = self.rng.choice(list(TYPES))
        table.columns[name] = kind
        if kind in ("integer", "bigint") and self.one_in(4):
            how = self.rng.choice(["ALWAYS", "BY DEFAULT"])
            return f"{name} {kind} GENERATED {how} AS IDENTITY (START {self.rng.randrange(1, 99)})"
        if kind == "integer" and self.one_in(4):
            return f"{name} serial"
        text = f"{name} {kind}"
        if kind == "bigint" and self.sequences and self.one_in(2):
            sequence = self.rng.choice(self.sequences).replace("'", "''")
            return f"{text} DEFAULT nextval('{sequence}')"
        if self.one_in(3):
            text += f" DEFAULT {self.rng.choice([*TYPES[kind], 'NULL'])}"
        if kind in ("text", "varchar(12)") and self.one_in(5):
            text = text.replace(kind, f'{kind} COLLATE "C"', 1)
        if kind in ("integer", "bigint", "smallint", "numeric") and self.one_in(4):
            text += f" CONSTRAINT {self.name()} CHECK ({name} <> 11 OR {name} IS NULL AND NOT {name} BETWEEN 1 AND 2)"
        return text

    def fill(self, table: MadeTable) -> None:
        """Rows with defaults, NULLs and values; identities and serials count themselves."""
        for _ in range(self.rng.randrange(6)):
            columns = [name for name in table.columns if not self.one_in(3)]
            cells = [
                "DEFAULT" if self.one_in(3) else self.rng.choice(TYPES[table.columns[c]]) for c in columns
            ]
            values = f"({', '.join(columns)}) OVERRIDING SYSTEM VALUE VALUES ({', '.join(cells)})"
            self.add(f"INSERT INTO {table.name} {values if columns else 'DEFAULT VALUES'}")

    def key(self, table: MadeTable) -> None:
        """A primary key over a column of its own, whose values are all different."""
        if self.one_in(4):
            return
        column = self.name()
        self.add(f"ALTER TABLE {table.name} ADD COLUMN {column} serial")
        constraint = self.name()
        self.add(f"ALTER TABLE {table.name} ADD CONSTRAINT {constraint} PRIMARY KEY ({column})")
        self.comment("CONSTRAINT", f"{constraint} ON {table.name}")
        table.columns[column], table.key = "integer", (column, "integer")
        others = [name for name, kind in table.columns.items() if kind in KEYS and name != column]
        if others and self.one_in(3):
            columns = f"{column}, {self.rng.choice(others)}"
            nulls, defer = self.rng.choice(["", " NULLS NOT DISTINCT"]), self.rng.choice(DEFERS)
            self.add(
                f"ALTER TABLE {table.name} ADD CONSTRAINT {self.name()} UNIQUE{nulls} ({columns}){defer}"
            )

    def indexes(self, table: MadeTable) -> None:
        keys = [name for name, kind in table.columns.items() if kind in KEYS]
        texts = [name for name, kind in table.columns.items() if kind == "text"]
        for _ in range(self.rng.randrange(3) if keys else 0):
            key = self.rng.choice(keys) + self.rng.choice(["", " DESC", " NULLS FIRST", " DESC NULLS LAST"])
            if texts and self.one_in(2):
                key += f", lower({self.rng.choice(texts)}), ({self.rng.choice(texts)} || 'x')"
            where = f" WHERE {self.rng.choice(keys)} IS NOT NULL" if self.one_in(3) else ""
            name = self.name()
            self.add(f"CREATE INDEX {name} ON {table.name} ({key}){where}")
            self.comment("INDEX", f"{table.name.split('.', 1)[0]}.{name}")

    # --- what refers to tables ------------------------------------------------------------------------------

    def foreign_key(self, child: MadeTable) -> None:
        """A column that refers to any table with a key, perhaps its own; rows may refer to nothing when NOT VALID."""
        parents = [table for table in self.tables if table.key is not None]
        if not parents:
            return
        parent = self.rng.choice(parents)
        assert parent.key is not None
        column = self.name()
        self.add(f"ALTER TABLE {child.name} ADD COLUMN {column} {parent.key[1]}")
        child.columns[column] = parent.key[1]
        valid = self.rng.choice(["", " NOT VALID"])
        if valid:
            self.add(f"UPDATE {child.name} SET {column} = 404")
        else:
            self.add(f"UPDATE {child.name} SET {column} = (SELECT min({parent.key[0]}) FROM {parent.name})")
        rest = self.rng.choice(ACTIONS) + self.rng.choice(DEFERS) + valid
        self.add(
            f"ALTER TABLE {child.name} ADD CONSTRAINT {self.name()} FOREIGN KEY ({column})"
            f" REFERENCES {parent.name} ({parent.key[0]}){rest}"
        )

    def view(self) -> None:
        """Columns of tables or views, joined or filtered."""
        sources = [(table.name, list(table.columns)) for table in self.tables] + self.views
        sources = [source for source in sources if source[1]]
        if not sources:
            return
        (left, columns), (right, others) = self.rng.choice(sources), self.rng.choice(sources)
        names = [self.name() for _ in range(self.rng.randrange(1, 4))]
        shown = ", ".join(f"l.{self.rng.choice(columns)} AS {name}" for name in names)
        form = self.rng.randrange(4)
        body = f"SELECT {shown} FROM {left} l"
        if form == 1:
            body += f" WHERE EXISTS (SELECT 1 FROM {right} r WHERE r.{self.rng.choice(others)} IS NOT NULL)"
        elif form == 2:
            body += f" LEFT JOIN {right} r ON r.{self.rng.choice(others)} IS NULL"
        elif form == 3:
            body = f"SELECT count(*) AS {names[0]}, max(l.{columns[0]}::text) AS {self.name()} FROM {left} l"
            names = names[:1]
        options = " WITH (security_barrier = true)" if self.one_in(6) else ""
        view = self.relation()
        self.add(f"CREATE VIEW {view}{options} AS {body}")
        self.comment("VIEW", view)
        self.views.append((view, names))
