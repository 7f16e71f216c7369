"""CREATE TYPE and ALTER TYPE: their grammar."""

from __future__ import annotations

from skerry_engine.sql import statements as st
from skerry_engine.sql import type_statements as ts
from skerry_engine.sql.alter_syntax import AlterParser


class TypeParser(AlterParser):
    """Reads statements that define types."""

    def create_type(self) -> st.Statement:
        """CREATE TYPE behind these words."""
        name = self.object_name()
        if not self.accept_word("as"):
            return self.not_supported("CREATE TYPE of a base type")
        if self.accept_word("enum"):
            return ts.CreateEnum(name, self.enum_labels())
        if self.word() == "range":
            return self.not_supported("CREATE TYPE AS RANGE")
        if not self.at("("):
            raise self.error()
        return self.not_supported("CREATE TYPE of a composite type")

    def enum_labels(self) -> tuple[str, ...]:
        self.expect("(")
        labels: list[str] = []
        while not self.at(")"):
            labels.append(self.string())
            if not self.accept(","):
                break
            if self.at(")"):
                raise self.error()
        self.expect(")")
        return tuple(labels)

    def alter_type(self) -> st.Statement:
        """ALTER TYPE behind these words."""
        name = self.object_name()
        if self.accept_words("add", "value"):
            return self.add_enum_label(name)
        if self.accept_words("rename", "value"):
            old = self.string()
            self.expect_word("to")
            return ts.RenameEnumLabel(name, old, self.string())
        shared = self.shared_alteration("type", name, False)
        if shared is not None:
            return shared
        return self.not_supported("ALTER TYPE of this kind")

    def add_enum_label(self, name: st.ObjectName) -> st.Statement:
        if_not_exists = self.accept_if_not_exists()
        label = self.string()
        place = self.accept_one_of("before", "after")
        neighbour = self.string() if place else None
        return ts.AddEnumLabel(name, label, if_not_exists, neighbour, place == "after")
