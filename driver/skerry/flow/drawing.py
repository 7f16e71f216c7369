"""A flow's outline as a picture, from top to bottom.

    T1 ┃  ┌ for row in rows ────────────┐      bands: a transaction is open; dashed where that depends
       ┃  │ ┌─────────────────────────┐ │      boxes: stages
       ┃  │ │ load                    │ │      frames: loops, conditions, functions, stages that call stages
       ◆  │ └─────────────────────────┘ │      diamonds: it commits here
          │ ┌─────────────────────────┐ │
          │ │ check                   │ │
          │ └─────────────────────────┘ │
          └─────────────────────────────┘

Everything is laid out first, and notes from which height on which transaction is open (`_Band`); bands are drawn
before the rest.  The body of a stage that is not transactional is a lane of its own, and has bands of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from skerry.flow.outline import Effect, Kind, Moment, Open, Outline, Place
from skerry.flow.svg import CODE_PX, Canvas, Drawing, scope_class, text_width

_MARGIN = 18
_GUTTER = 34
_GAP = 18
_INSET = 14
_PADDING = 12
_HEADER = 30
_FOOTER = 10
_BOX = 46
_SMALL = 30
_NARROWEST = 320
_FRAMED = (Kind.EACH, Kind.LOOP, Kind.ARM, Kind.BLOCK, Kind.CALL, Kind.FLOW, Kind.STAGE)
_SMALL_KINDS = (Kind.END, Kind.RETURN, Kind.RAISE, Kind.BREAK, Kind.CONTINUE)


def draw_outline(outline: Outline) -> Drawing:
    """The picture of a flow."""
    title = f"flow {outline.name}"
    about = ", ".join(outline.about)
    footer = f"taken for calls that are no stages: {', '.join(outline.unseen)}" if outline.unseen else ""
    inner = max(
        [_NARROWEST, *(_width(place) for place in outline.body)]
        + [len(title) * 9.1, text_width(about), min(text_width(footer), 900)]
    )
    layout = _Layout()
    top = _MARGIN + 52
    band = layout.band(_MARGIN, _MARGIN + _GUTTER + inner + _INSET)
    bottom = layout.sequence(outline.body, _MARGIN + _GUTTER, top, inner, band)
    band.turn(bottom, Moment())
    canvas = Canvas()
    canvas.text(_MARGIN, _MARGIN + 16, title, "head ink")
    canvas.text(_MARGIN, _MARGIN + 36, about, "soft")
    layout.draw(canvas)
    if footer:
        bottom += 24
        canvas.text(_MARGIN, bottom, footer, "soft")
    if any(place.scope is not None for place in outline.places()):
        bottom += 26
        _legend(canvas, _MARGIN, bottom)
    return canvas.drawing(2 * _MARGIN + _GUTTER + inner + _INSET, bottom + _MARGIN, title)


def _legend(canvas: Canvas, x: float, y: float) -> None:
    canvas.rect(x, y - 11, 6, 14, "t1", 3)
    canvas.text(x + 12, y, "a transaction is open", "soft")
    canvas.path(f"M{x + 153} {y - 11:g}v14", "line t1e dashed")
    canvas.text(x + 162, y, "perhaps", "soft")
    canvas.diamond(x + 226, y - 4, "t1", 6)
    canvas.text(x + 238, y, "commit", "soft")


# --- how wide ---------------------------------------------------------------------------------------------------


def _width(place: Place) -> float:
    """What a place needs, without the gutter."""
    texts = [len(place.title) * CODE_PX, text_width(place.said())]
    if place.commit_every is not None:
        texts.append(text_width(place.every()) + 24)
    if not _is_framed(place):
        side_by_side = place.kind in _SMALL_KINDS or place.kind is Kind.UNSEEN
        return (sum(texts) + 24 if side_by_side else max(texts)) + 2 * _PADDING
    inside = max((_width(part) for part in place.parts), default=0.0)
    gutter = _GUTTER if _has_own_band(place) else 0
    beside = 0.0 if place.kind in (Kind.IF, Kind.TRY) else 2 * _INSET
    return max([sum(texts[:2]) + 24 + 2 * _PADDING, *texts[2:], inside + gutter + beside])


def _is_framed(place: Place) -> bool:
    return place.kind in (Kind.IF, Kind.TRY) or (
        place.kind in _FRAMED and bool(place.parts or place.kind is Kind.ARM)
    )


def _has_own_band(place: Place) -> bool:
    """Whether what is inside is a lane, or a transaction, of its own."""
    if place.kind is Kind.STAGE:
        return bool(place.parts) and place.parts[-1].kind is Kind.END
    return place.kind is Kind.BLOCK and bool(place.all_effects & {Effect.OWN, Effect.BY_HAND})


# --- bands ------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Band:
    """Which transaction is open, from which height on; between two edges."""

    left: float
    right: float
    turns: list[tuple[float, Moment]] = field(default_factory=list)

    def turn(self, y: float, moment: Moment) -> None:
        """From here on."""
        while self.turns and self.turns[-1][0] >= y:
            self.turns.pop()
        if not self.turns or self.turns[-1][1] != moment:
            self.turns.append((y, moment))

    def draw(self, canvas: Canvas) -> None:
        """The bands: a tint across, a stripe at the left, its name where it begins."""
        last: int | None = None
        ends = [y for y, _ in self.turns[1:]]
        for (top, moment), bottom in zip(self.turns, ends, strict=False):
            if moment.scope is None:
                last = None
                continue
            colour = scope_class(moment.scope)
            is_sure = moment.is_open is Open.YES
            width, height = self.right - self.left, bottom - top
            canvas.rect(self.left, top, width, height, f"{colour} {'tint' if is_sure else 'faint'}", 4)
            line = f"M{self.left + 3} {top:g}V{bottom:g}"
            if is_sure:
                canvas.rect(self.left, top, 6, height, colour, 3)
            else:
                canvas.path(line, f"line {colour}e dashed")
            if moment.scope != last:
                canvas.text(self.left + 10, top + 13, f"T{moment.scope}", f"tiny {colour}")
            last = moment.scope


# --- layout -----------------------------------------------------------------------------------------------------


class _Layout:
    """Puts places below each other; each method returns the height at which it ends."""

    def __init__(self) -> None:
        self._bands: list[_Band] = []
        self._frames = Canvas()
        self._boxes = Canvas()

    def band(self, left: float, right: float) -> _Band:
        """An area for bands."""
        made = _Band(left, right)
        self._bands.append(made)
        return made

    def draw(self, canvas: Canvas) -> None:
        """All of it, bands first."""
        for band in self._bands:
            band.draw(canvas)
        canvas.extend(self._frames)
        canvas.extend(self._boxes)

    def sequence(self, places: Iterable[Place], x: float, y: float, width: float, band: _Band) -> float:
        """One after the other, with arrows."""
        is_first = True
        for place in places:
            if not is_first and place.kind is not Kind.ARM:
                self._frames.arrow(x + 28, y, y + _GAP)
            band.turn(y, place.before)
            y = self._place(place, x, y + (_GAP if not is_first else 8), width, band)
            band.turn(y, place.after)
            is_first = False
        return y

    def _place(self, place: Place, x: float, y: float, width: float, band: _Band) -> float:
        if place.kind in (Kind.IF, Kind.TRY):
            return self._arms(place, x, y, width, band)
        if _is_framed(place):
            return self._frame(place, x, y, width, band)
        if place.kind in _SMALL_KINDS or place.kind is Kind.UNSEEN:
            return self._small(place, x, y, width, band)
        return self._box(place, x, y, width, band)

    def _arms(self, place: Place, x: float, y: float, width: float, band: _Band) -> float:
        """The arms of a condition, each beginning with what is open before it."""
        for number, arm in enumerate(place.parts):
            top = y + 8 if number else y
            band.turn(top - 4, arm.before)
            y = self._frame(arm, x, top, width, band)
            band.turn(y + 4, arm.after)
        return y

    def _frame(self, place: Place, x: float, y: float, width: float, band: _Band) -> float:
        self._marks(place, y, band)
        dashed = " dashed" if place.kind is Kind.ARM else ""
        classes = "ink" if place.is_reached else "soft"
        self._boxes.text(x + _PADDING, y + 20, place.title, f"code {classes}")
        said = "" if place.kind is Kind.EACH else place.said()
        if said:
            self._boxes.text(x + _PADDING + (len(place.title) + 2) * CODE_PX, y + 20, said, _tone(place))
        left, inner = x + _INSET, width - 2 * _INSET
        bottom = y + _HEADER
        if place.parts and _has_own_band(place):
            own = self.band(left, left + inner)
            bottom = self.sequence(place.parts, left + _GUTTER, bottom, inner - _GUTTER - 8, own) + 6
            own.turn(bottom, Moment())
            if Effect.OWN in place.all_effects:
                self._boxes.diamond(left + 3, bottom, scope_class(place.scope or 1))
        elif place.parts:
            band.turn(y, place.parts[0].before)
            bottom = self.sequence(place.parts, left, bottom, inner, band)
        if place.commit_every is not None:
            bottom = self._every(place, x, bottom, band)
        bottom += _FOOTER
        self._frames.rect(x, y, width, bottom - y, f"line edge{dashed}", 8)
        return bottom

    def _every(self, place: Place, x: float, y: float, band: _Band) -> float:
        if Effect.EVERY in place.all_effects:
            open_here = place.parts[-1].after if place.parts else place.before
            self._boxes.diamond(band.left + 3, y + 16, scope_class(open_here.scope or 1))
        self._boxes.text(x + _INSET + _PADDING, y + 20, place.every(), "soft")
        return y + 24

    def _box(self, place: Place, x: float, y: float, width: float, band: _Band) -> float:
        self._marks(place, y, band)
        edge = "edge"
        if place.scope is not None and any(effect.is_inside for effect in place.all_effects):
            edge = f"{scope_class(place.scope)}e"
        self._boxes.rect(x, y, width, _BOX, "box", 6)
        self._boxes.rect(x, y, width, _BOX, f"line {edge}", 6)
        self._boxes.text(x + _PADDING, y + 19, place.title, "code ink")
        self._boxes.text(x + _PADDING, y + 37, place.said(), _tone(place))
        return y + _BOX

    def _small(self, place: Place, x: float, y: float, width: float, band: _Band) -> float:
        self._marks(place, y, band)
        dashed = " dashed" if place.kind is Kind.UNSEEN else ""
        needed = (len(place.title) + 2) * CODE_PX + text_width(place.said()) + 2 * _PADDING
        self._boxes.rect(x, y, min(needed, width), _SMALL, "box", _SMALL / 2)
        self._boxes.rect(x, y, min(needed, width), _SMALL, f"line edge{dashed}", _SMALL / 2)
        self._boxes.text(x + _PADDING, y + 20, place.title, "code ink")
        self._boxes.text(x + _PADDING + (len(place.title) + 2) * CODE_PX, y + 20, place.said(), _tone(place))
        return y + _SMALL

    def _marks(self, place: Place, y: float, band: _Band) -> None:
        """Where a transaction begins or ends with this place, just above it."""
        effects = place.all_effects
        if effects & {Effect.COMMITS, Effect.ENDS} and place.before.scope is not None:
            self._boxes.diamond(band.left + 3, y - 4, scope_class(place.before.scope))
            band.turn(y - 4, Moment())
        if place.kind is Kind.STAGE and effects & {Effect.OPENS, Effect.JOINS}:
            band.turn(y - 4, Moment(Open.YES, place.scope))


def _tone(place: Place) -> str:
    warns = not place.is_reached or bool(place.all_effects & {Effect.REFUSED, Effect.NESTED, Effect.LACKING})
    return "alarm" if warns else "soft"
