"""The columns that a node writes: values, or for an update also what is computed from the row.

{"name": "Ann", "visits": "${visits + 1}", "order_id": "${create_order.id}"}
 a value        an expression              a reference
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from skerry.flow.workflows.expressions import ColumnName, Expression, parse
from skerry.flow.workflows.filters import quoted, table_of
from skerry.flow.workflows.model import Model
from skerry.flow.workflows.references import Reference, Template, of_mapping
from skerry.flow.workflows.storing import encoded
from skerry_engine.errors import WorkflowError

_ONE = re.compile(r"\$\{([^{}]*)\}")


def field_template(value: object) -> Template:
    """What an update sets a column to.  Raises WorkflowError for a `${...}` that is neither."""
    match = _ONE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return Template.of(value)
    found = parse(match[1])
    if isinstance(found, Reference):
        return Template.of(found)
    if not found.references:
        return Template(found)
    return Template(None, found.fill, found.references)


def fields_template(value: object) -> Template:
    """A mapping of columns to what they are set to."""
    if not isinstance(value, Mapping):
        return Template.of(value)
    return of_mapping({key: field_template(each) for key, each in value.items()})


def check_expressions(value: object, model: Model, allows_excluded: bool) -> None:
    """Raise WorkflowError for expressions of columns that the model does not have."""
    if isinstance(value, str) and _ONE.fullmatch(value):
        found = parse(value[2:-1])
        for column in found.columns if isinstance(found, Expression) else ():
            if column.name not in model.by_name:
                raise WorkflowError(
                    f"${{{found.source if isinstance(found, Expression) else value}}}: "  # the author's words
                    f"{column.name} is neither a column of {model.name} nor a node's output",
                    hint="An output is ${node.field}.",
                )
            if column.is_excluded and not allows_excluded:
                raise WorkflowError("`excluded` is there for upserts only")


def assignments(fields: Mapping[str, object], model: Model, dialect: str) -> tuple[str, list[object]]:
    """What stands after SET, with %s, and its parameters.  Raises WorkflowError for columns that the model does not
    have."""
    texts: list[str] = []
    values: list[object] = []
    table = table_of(model)

    def column(name: ColumnName) -> str:
        model.check(name.name)
        return f"{'excluded' if name.is_excluded else table}.{quoted(name.name)}"

    for name, value in fields.items():
        model.check(name)
        kind = model.by_name[name].type
        if isinstance(value, Expression):
            text, more = value.render(column, lambda each: encoded(each, dialect))
            values += more
        else:
            text = "%s"
            values.append(encoded(value, dialect, kind))
        texts.append(f"{quoted(name)} = {text}")
    return ", ".join(texts), values
