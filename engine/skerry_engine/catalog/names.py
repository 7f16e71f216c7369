"""OIDs as names and names as OIDs: what regclass, regtype, regproc and their kin print and read.

One `CatalogNames` serves one statement: it holds the database as the statement sees it and the session's
search path.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from skerry_engine import errors
from skerry_engine.catalog.catalog import Catalog, Database
from skerry_engine.catalog.objects import Relation, Table, View
from skerry_engine.catalog.quoting import quote_identifier, quote_qualified, split_name
from skerry_engine.catalog.search_path import SearchPath
from skerry_engine.catalog.system.layout import read_facts
from skerry_engine.catalog.user_types import (
    CompositeType,
    composite_of_relation,
    find_type_oid,
    find_user_type,
    qualified_type_name,
    user_type_name,
)
from skerry_engine.functions.operators import Operator, operator_by_oid, operators_named
from skerry_engine.functions.registry import (
    PG_CATALOG,
    AnyFunction,
    function_by_oid,
    functions_named,
)
from skerry_engine.values.types import find_type, format_type, type_by_name
from skerry_engine.values.user_types import FIRST_USER_TYPE, is_domain_or_array

SUPPORT_FUNCTIONS = {int(oid): name for oid, name in read_facts("support_functions.tsv")}
"""Functions that the catalogs name though no query can call them."""
SUPPORT_FUNCTION_OIDS = {name: oid for oid, name in SUPPORT_FUNCTIONS.items()}

COLLATIONS = {100: "default", 950: "C", 951: "POSIX"}

_MODIFIER = re.compile(r"\(\s*\d+\s*(?:,\s*-?\d+\s*)?\)")
_ARRAY = re.compile(r"(?:\s*\[\s*\d*\s*\])+\s*$|\s+array\s*(?:\[\s*\d*\s*\])?$", re.IGNORECASE)
_SIGNATURE = re.compile(r"(.*)\((.*)\)\s*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class CatalogNames:
    """Implements `abc.NameResolver` over one state of the catalog."""

    catalog: Catalog
    database: Database
    path: SearchPath

    # --- relations --------------------------------------------------------------------------------

    def relation_name(self, oid: int) -> str | None:
        relation = self.database.relation(oid)
        composite = None if relation is not None else composite_of_relation(self.database, oid)
        if composite is not None:
            return qualified_type_name(self.database, composite, self.path)
        return (
            None if relation is None else quote_qualified(self.database.qualified_name(relation, self.path))
        )

    def relation_oid(self, text: str) -> int:
        if self.find_relation(text) is None:
            parts = self._without_database(text, split_name(text))
            schema = parts[0] if len(parts) == 2 else None
            found = find_user_type(self.database, parts[-1], schema, self.path)
            if found is not None and isinstance(found[0], CompositeType):
                return found[0].relation_oid
        return self.get_relation(text).oid

    def get_relation(self, text: str) -> Relation:
        """The relation of that name.  Raises UndefinedTable, InvalidName, NotSupportedError (another
        database).
        """
        found = self.find_relation(text)
        if found is None:
            raise errors.UndefinedTable(f'relation "{".".join(split_name(text))}" does not exist')
        return found

    def find_relation(self, text: str) -> Relation | None:
        """The relation of that name, None when there is none."""
        parts = self._without_database(text, split_name(text))
        return self.database.find_relation(parts[-1], parts[0] if len(parts) == 2 else None, self.path)

    def _without_database(self, text: str, parts: tuple[str, ...]) -> tuple[str, ...]:
        if len(parts) > 3:
            raise errors.SyntaxError(f"improper relation name (too many dotted names): {'.'.join(parts)}")
        if len(parts) < 3:
            return parts
        if parts[0] != self.database.name:
            raise errors.NotSupportedError(f'cross-database references are not implemented: "{text}"')
        return parts[1:]

    # --- types ------------------------------------------------------------------------------------

    def type_name(self, oid: int) -> str | None:
        user_type = user_type_name(self.database, oid, self.path)
        if user_type is not None:
            return user_type
        if oid < FIRST_USER_TYPE and find_type(oid) is not None:
            return format_type(oid, None)
        relation, is_array = self._row_type(oid)
        if relation is None:
            return None
        name = quote_qualified(self.database.qualified_name(relation, self.path))
        return f"{name}[]" if is_array else name

    def _row_type(self, oid: int) -> tuple[Table | View | None, bool]:
        for relation in self.database.tables_and_views():
            if oid and oid == relation.row_type_oid:
                return relation, False
            if oid and oid == relation.row_array_oid:
                return relation, True
        return None, False

    def type_oid(self, text: str) -> int:
        oid = self.find_type_oid(text)
        if oid is None:
            raise errors.UndefinedObject(f'type "{text.strip()}" does not exist')
        return oid

    def find_type_oid(self, text: str) -> int | None:
        """The type of that name (modifiers, schema and array brackets allowed), None when there is none."""
        array = _ARRAY.search(text)
        base = _MODIFIER.sub("", text[: array.start()] if array else text)
        oid = self._base_type_oid(" ".join(base.split()))
        if oid is None or array is None:
            return oid
        if is_domain_or_array(oid):
            return None if oid & 1 else oid + 1
        info = find_type(oid)
        if info is not None:
            return info.array_oid or None
        relation, _ = self._row_type(oid)
        return None if relation is None else relation.row_array_oid

    def _base_type_oid(self, text: str) -> int | None:
        bare = text.lower() if '"' not in text else text
        info = type_by_name(bare)
        if info is not None:
            return info.oid
        if " " in text and '"' not in text:
            return None
        parts = split_name(text)
        found = find_type_oid(self.database, tuple(parts), self.path)
        if found is not None:
            return found
        relation = self.database.find_relation(parts[-1], parts[0] if len(parts) == 2 else None, self.path)
        return relation.row_type_oid or None if isinstance(relation, (Table, View)) else None

    # --- functions --------------------------------------------------------------------------------

    def function_name(self, oid: int) -> str | None:
        function = function_by_oid(oid)
        if function is None:
            return SUPPORT_FUNCTIONS.get(oid)
        if function.schema != PG_CATALOG:
            return f"{function.schema}.{quote_identifier(function.name)}"
        if len(functions_named(function.name)) == 1:
            return quote_identifier(function.name)
        return f"pg_catalog.{quote_identifier(function.name)}"

    def function_oid(self, text: str) -> int:
        found = self.functions(text)
        if not found and text in SUPPORT_FUNCTION_OIDS:
            return SUPPORT_FUNCTION_OIDS[text]
        if not found:
            raise errors.UndefinedFunction(f'function "{text}" does not exist')
        if len(found) > 1:
            raise errors.AmbiguousFunction(f'more than one function named "{text}"')
        return found[0].oid

    def functions(self, text: str) -> tuple[AnyFunction, ...]:
        """All functions of that name."""
        parts = split_name(text)
        return functions_named(parts[-1], parts[0] if len(parts) == 2 else None)

    def function_signature(self, oid: int) -> str | None:
        function = function_by_oid(oid)
        if function is None:
            return None
        types = ",".join(format_type(t, None) for t in function.arg_types)
        prefix = "" if function.schema == PG_CATALOG else f"{function.schema}."
        return f"{prefix}{quote_identifier(function.name)}({types})"

    def function_signature_oid(self, text: str) -> int:
        name, types = self._signature(text)
        for function in self.functions(name):
            if function.arg_types == types:
                return function.oid
        raise errors.UndefinedFunction(f'function "{text}" does not exist')

    def _signature(self, text: str) -> tuple[str, tuple[int, ...]]:
        match = _SIGNATURE.fullmatch(text)
        if match is None:
            raise errors.InvalidTextRepresentation("expected a left parenthesis")
        arguments = [part.strip() for part in match[2].split(",")] if match[2].strip() else []
        return match[1].strip(), tuple(0 if a.lower() == "none" else self.type_oid(a) for a in arguments)

    # --- operators --------------------------------------------------------------------------------

    def operator_name(self, oid: int) -> str | None:
        operator = operator_by_oid(oid)
        if operator is None:
            return None
        return operator.name if len(operators_named(operator.name)) == 1 else f"pg_catalog.{operator.name}"

    def operator_oid(self, text: str) -> int:
        found = self._operators(text)
        if not found:
            raise errors.UndefinedFunction(f"operator does not exist: {text}")
        if len(found) > 1:
            raise errors.AmbiguousFunction(f"more than one operator named {text}")
        return found[0].oid

    def _operators(self, text: str) -> tuple[Operator, ...]:
        return operators_named(text.strip().removeprefix("pg_catalog."))

    def operator_signature(self, oid: int) -> str | None:
        operator = operator_by_oid(oid)
        if operator is None:
            return None
        left = format_type(operator.left, None) if operator.left else "NONE"
        return f"{operator.name}({left},{format_type(operator.right, None)})"

    def operator_signature_oid(self, text: str) -> int:
        name, types = self._signature(text)
        for operator in self._operators(name):
            if (operator.left, operator.right) == types:
                return operator.oid
        raise errors.UndefinedFunction(f"operator does not exist: {text}")

    # --- schemas, roles, collations ---------------------------------------------------------------

    def namespace_name(self, oid: int) -> str | None:
        schema = self.database.schemas.get(oid)
        return None if schema is None else quote_identifier(schema.name)

    def namespace_oid(self, text: str) -> int:
        return self.database.get_schema(split_name(text)[0]).oid

    def role_name(self, oid: int) -> str | None:
        role = self.catalog.roles.get(oid)
        return None if role is None else quote_identifier(role.name)

    def role_oid(self, text: str) -> int:
        name = split_name(text)[0]
        role = self.catalog.role_named(name)
        if role is None:
            raise errors.UndefinedObject(f'role "{name}" does not exist')
        return role.oid

    def collation_name(self, oid: int) -> str | None:
        name = COLLATIONS.get(oid)
        return None if name is None else quote_identifier(name)

    def collation_oid(self, text: str) -> int:
        name = split_name(text)[-1]
        for oid, known in COLLATIONS.items():
            if known == name:
                return oid
        raise errors.UndefinedObject(f'collation "{name}" for encoding "UTF8" does not exist')
