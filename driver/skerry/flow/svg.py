"""A small writer of SVG: rectangles, lines, diamonds, text, in a palette that is legible on light and dark.

What it writes depends on what is drawn alone, to the byte; all text is escaped.  Colours are classes, under one that
only Skerry's drawings have, since notebooks put a drawing's styles among those of the page.
"""

from __future__ import annotations

import html
import os
from dataclasses import dataclass
from pathlib import Path

CODE_PX = 7.8
"""Width of a character of code, at 13 px."""

SCOPES = (
    ("#2563eb", "#60a5fa"),
    ("#c2410c", "#fb923c"),
    ("#047857", "#34d399"),
    ("#7c3aed", "#a78bfa"),
    ("#be185d", "#f472b6"),
    ("#0e7490", "#22d3ee"),
)
"""Colours of transactions, on light and on dark; after the last comes the first again."""

_SANS = "ui-sans-serif, system-ui, 'Segoe UI', 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif"
_MONO = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"

_SHAPES = (
    ("text", f"font: 12px {_SANS}"),
    (".code", f"font: 13px {_MONO}"),
    (".head", f"font: 600 15px {_MONO}"),
    (".tiny", f"font: 600 10px {_SANS}"),
    (".middle", "text-anchor: middle"),
    (".line", "fill: none; stroke-width: 1.2"),
    (".dashed", "stroke-dasharray: 5 4"),
    (".tint", "fill-opacity: 0.13"),
    (".faint", "fill-opacity: 0.06"),
)
_COLOURS = (
    (".page", "fill: {}", "#ffffff", "#111827"),
    (".ink", "fill: {}", "#111827", "#f3f4f6"),
    (".soft", "fill: {}", "#4b5563", "#b6c0ce"),
    (".box", "fill: {}", "#ffffff", "#1f2937"),
    (".edge", "stroke: {}", "#94a3b8", "#64748b"),
    (".arrow", "fill: {}", "#94a3b8", "#64748b"),
    (".alarm", "fill: {}", "#b91c1c", "#fca5a5"),
    (".on", "fill: {}", "#ffffff", "#111827"),
)


def scope_class(number: int) -> str:
    """The class of a transaction's colour, transactions being counted from 1."""
    return f"t{(number - 1) % len(SCOPES) + 1}"


def text_width(text: str) -> float:
    """About how wide a text is, in 12 px."""
    return sum(_letter_px(letter) for letter in text)


def _letter_px(letter: str) -> float:
    if letter in "iljt.,;:'|! ()[]fI":
        return 4.0
    if letter in "mwMW@%":
        return 10.5
    return 8.4 if letter.isupper() else 6.9


def _styles() -> str:
    light = [*_SHAPES, *((name, form.format(on_light)) for name, form, on_light, _ in _COLOURS)]
    dark = [(name, form.format(on_dark)) for name, form, _, on_dark in _COLOURS]
    for number, (on_light, on_dark) in enumerate(SCOPES, start=1):
        for name, form in ((f".t{number}", "fill: {}"), (f".t{number}e", "stroke: {}")):
            light.append((name, form.format(on_light)))
            dark.append((name, form.format(on_dark)))
    inside = "\n".join(_rule(name, form) for name, form in dark)
    return "\n".join([*(_rule(name, form) for name, form in light), _DARK, inside, "}"])


_DARK = "@media (prefers-color-scheme: dark) {"


def _rule(name: str, form: str) -> str:
    return f".skerry-flow {name} {{ {form} }}"


class Canvas:
    """What is drawn; later things lie over earlier ones."""

    def __init__(self) -> None:
        self._shapes: list[str] = []

    def rect(self, x: float, y: float, width: float, height: float, classes: str, radius: float = 0) -> None:
        """A rectangle, with round corners."""
        place = f'x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}"'
        round_ = f' rx="{_n(radius)}"' if radius else ""
        self._shapes.append(f'<rect class="{classes}" {place}{round_}/>')

    def path(self, steps: str, classes: str) -> None:
        """A path, in SVG's own words."""
        self._shapes.append(f'<path class="{classes}" d="{steps}"/>')

    def arrow(self, x: float, top: float, bottom: float) -> None:
        """A line downwards with a head."""
        self.path(f"M{_n(x)} {_n(top)}V{_n(bottom - 4)}", "line edge")
        self.path(f"M{_n(x - 4)} {_n(bottom - 6)}h8l-4 6z", "arrow")

    def diamond(self, x: float, y: float, classes: str, radius: float = 7) -> None:
        """A commit."""
        r = _n(radius)
        self.path(f"M{_n(x)} {_n(y - radius)}l{r} {r}l-{r} {r}l-{r} -{r}z", classes)

    def text(self, x: float, y: float, text: str, classes: str) -> None:
        """A line of text, `y` being where it stands."""
        escaped = html.escape(text, quote=False)
        self._shapes.append(f'<text class="{classes}" x="{_n(x)}" y="{_n(y)}">{escaped}</text>')

    def extend(self, other: Canvas) -> None:
        """What another has, over what is here."""
        self._shapes += other._shapes

    def drawing(self, width: float, height: float, title: str) -> Drawing:
        """All of it, on a page."""
        size = f'width="{_n(width)}" height="{_n(height)}" viewBox="0 0 {_n(width)} {_n(height)}"'
        lines = [
            f'<svg xmlns="http://www.w3.org/2000/svg" class="skerry-flow" role="img" {size}>',
            f"<title>{html.escape(title, quote=False)}</title>",
            f"<style>\n{_styles()}\n</style>",
            f'<rect class="page" width="{_n(width)}" height="{_n(height)}" rx="8"/>',
            *self._shapes,
            "</svg>",
        ]
        return Drawing("\n".join(lines) + "\n")


@dataclass(frozen=True, slots=True)
class Drawing:
    """A picture, as the text of an SVG file; notebooks show it."""

    svg: str

    def _repr_svg_(self) -> str:
        return self.svg

    def __repr__(self) -> str:
        return f"<drawing, {len(self.svg):,} characters of SVG>"

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the file."""
        Path(path).write_text(self.svg, encoding="utf-8")


def _n(number: float) -> str:
    """A coordinate, without a fraction if it has none."""
    rounded = round(number, 1)
    return str(int(rounded)) if rounded == int(rounded) else str(rounded)
