"""CREATE and ALTER TYPE and DOMAIN: their grammar."""

from __future__ import annotations

from skerry_engine.errors import SyntaxError
from skerry_engine.sql import statements as st
from skerry_engine.sql import type_statements as ts
from skerry_engine.sql.alter_syntax import AlterParser
from skerry_engine.sql.types_syntax import TypeName, parse_type


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
        return ts.CreateComposite(name, self.attributes())

    def attributes(self) -> tuple[tuple[str, TypeName], ...]:
        self.expect("(")
        found: list[tuple[str, TypeName]] = []
        while not self.at(")"):
            found.append((self.name(), parse_type(self)))
            if not self.accept(","):
                break
        self.expect(")")
        return tuple(found)

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
        if self.accept_words("rename", "attribute"):
            old = self.name()
            self.expect_word("to")
            new = self.name()
            self.accept_cascade()  # to tables of the type, which there are none of
            return ts.RenameAttribute(name, old, new)
        if self.word() in ("add", "drop", "alter"):
            actions = [self.attribute_action()]
            while self.accept(","):
                actions.append(self.attribute_action())
            return ts.AlterComposite(name, tuple(actions))
        shared = self.shared_alteration("type", name, False)
        if shared is not None:
            return shared
        return self.not_supported("ALTER TYPE of this kind")

    def attribute_action(self) -> ts.AttributeAction:
        """ADD, DROP or ALTER ATTRIBUTE."""
        action = self.accept_one_of("add", "drop", "alter")
        if not action:
            raise self.error()
        self.expect_word("attribute")
        if_exists = action == "drop" and self.accept_if_exists()
        name = self.name()
        if action == "drop":
            return ts.AttributeAction(action, name, if_exists=if_exists, cascade=self.accept_cascade())
        if action == "alter" and not self.accept_words("set", "data", "type"):
            self.expect_word("type")
        written = parse_type(self)
        collation = self.object_name() if self.accept_word("collate") else None
        return ts.AttributeAction(action, name, written, collation, cascade=self.accept_cascade())

    def add_enum_label(self, name: st.ObjectName) -> st.Statement:
        if_not_exists = self.accept_if_not_exists()
        label = self.string()
        place = self.accept_one_of("before", "after")
        neighbour = self.string() if place else None
        return ts.AddEnumLabel(name, label, if_not_exists, neighbour, place == "after")

    # --- domains ----------------------------------------------------------------------------------

    def create_domain(self) -> st.Statement:
        """CREATE DOMAIN behind these words."""
        name = self.object_name()
        self.accept_word("as")
        written = parse_type(self)
        collation: st.ObjectName | None = None
        default: st.SourceExpression | None = None
        constraints: list[ts.DomainConstraint] = []
        while not (self.at_end() or self.at(";")):
            index = self.index
            if self.accept_word("collate"):
                collation = self.object_name()
            elif self.accept_word("default"):
                if default is not None:
                    raise SyntaxError("multiple default expressions")
                default = self.source_expression()
            else:
                constraints.append(self.domain_constraint())
            if self.index == index:
                raise self.error()
        return ts.CreateDomain(name, written, collation, default, tuple(constraints))

    def domain_constraint(self) -> ts.DomainConstraint:
        """[CONSTRAINT name] NOT NULL, NULL or CHECK (...)."""
        position = self.position()
        name = self.name() if self.accept_word("constraint") else None
        if self.accept_words("not", "null"):
            return ts.DomainConstraint("not null", name, position=position)
        if self.accept_word("null"):
            return ts.DomainConstraint("null", name, position=position)
        if self.word() in ("unique", "primary", "references", "generated"):
            what = {"unique": "unique", "primary": "primary key", "references": "foreign key"}
            kind = what.get(self.word(), "specifying GENERATED")
            kind = kind if kind.startswith("specifying") else f"{kind} constraints"
            raise SyntaxError(f"{kind} not possible for domains")
        if not self.accept_word("check"):
            raise self.error()
        self.expect("(")
        check = self.source_expression()
        self.expect(")")
        not_valid = False
        while True:
            if self.accept_words("not", "valid"):
                not_valid = True
            elif self.accept_words("no", "inherit"):
                raise SyntaxError("check constraints for domains cannot be marked NO INHERIT")
            else:
                return ts.DomainConstraint("check", name, check, not_valid, position)

    def alter_domain(self) -> st.Statement:
        """ALTER DOMAIN behind these words."""
        name = self.object_name()
        if self.accept_words("set", "default"):
            return ts.AlterDomain(name, "set default", default=self.source_expression())
        if self.accept_words("drop", "default"):
            return ts.AlterDomain(name, "drop default")
        if self.accept_words("set", "not", "null"):
            return ts.AlterDomain(name, "set not null")
        if self.accept_words("drop", "not", "null"):
            return ts.AlterDomain(name, "drop not null")
        if self.accept_word("add"):
            return ts.AlterDomain(name, "add constraint", constraint=self.domain_constraint())
        if self.accept_words("drop", "constraint"):
            if_exists = self.accept_if_exists()
            old_name = self.name()
            cascade = self.accept_cascade()
            return ts.AlterDomain(
                name, "drop constraint", old_name=old_name, if_exists=if_exists, cascade=cascade
            )
        if self.accept_words("validate", "constraint"):
            return ts.AlterDomain(name, "validate constraint", old_name=self.name())
        if self.accept_words("rename", "constraint"):
            old_name = self.name()
            self.expect_word("to")
            return ts.AlterDomain(name, "rename constraint", old_name=old_name, new_name=self.name())
        shared = self.shared_alteration("domain", name, False)
        if shared is None:
            raise self.error()
        return shared
