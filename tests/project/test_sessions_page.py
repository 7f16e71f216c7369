"""docs/sessions.md names every column of skerry.transactions, and nothing that is no setting or column."""

from __future__ import annotations

import re
from pathlib import Path

from skerry_engine.catalog.system.layout import layout
from skerry_engine.session.setting_table import SETTINGS

PAGE = (Path(__file__).parents[2] / "docs" / "sessions.md").read_text(encoding="utf-8")


def _first_cells(heading: str) -> list[str]:
    """The names in the first column of the table below a heading or a line of text."""
    rows = PAGE.split(heading, 1)[1].split("\n\n", 1)[1].split("\n\n", 1)[0].splitlines()
    return [name for row in rows for name in re.findall(r"`([a-z_.]+)`", row.split("|")[1])]


def test_every_column_is_explained() -> None:
    columns = [column.name for column in layout("transactions", "skerry").columns]
    assert _first_cells("`skerry.transactions` has a row") == columns


def test_the_time_limits_are_settings() -> None:
    names = _first_cells("## Time limits")
    assert len(names) == 5
    assert all(name in SETTINGS for name in names)
