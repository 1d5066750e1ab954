"""The plot of `bench`: compression against speed and error, as SVG or as PNG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 1040, 460  # of the whole plot, in points of a screen
PANEL = (300, 330)  # of each of the two diagrams
LEFT, TOP, GAP = 64, 56, 76  # before the first diagram, above it, between the two
COLOURS = ("#1b6ca8", "#c8553d", "#2a9d5c", "#8e5ea2", "#b8860b", "#4d4d4d")
LEAST_TICK = 26  # from one number at an axis to the next, so that they do not touch
INK, GRID = "#222222", "#dddddd"

Point = tuple[float, float]


class Canvas:
    """What a diagram is drawn on: kept as marks, written as SVG or painted by pillow.

    Parameters
    ----------
    width : int
        In points of a screen.
    """

    def __init__(self, width: int) -> None:
        self._width = width
        self._marks: list[tuple[str, tuple[Any, ...]]] = []

    def line(self, start: Point, stop: Point, colour: str) -> None:
        """Draw a thin line."""
        self._marks.append(("line", (*start, *stop, colour)))

    def dot(self, at: Point, colour: str, *, hollow: bool = False) -> None:
        """Draw a point."""
        self._marks.append(("dot", (*at, colour, hollow)))

    def text(self, at: Point, text: str, *, anchor: str = "start", bold: bool = False) -> None:
        """Write a line; ``anchor`` says which of start, middle and end of it is there."""
        self._marks.append(("text", (*at, text, anchor, bold)))

    def save(self, path: Path, kind: str) -> None:
        """Write a file, of kind ``.svg`` or ``.png``."""
        if kind == ".svg":
            path.write_text(self._svg(), encoding="utf-8")
        else:
            self._png().save(path, format="PNG")

    def _svg(self) -> str:
        lines = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self._width} {HEIGHT}" width="{self._width}" '
            f'height="{HEIGHT}" font-family="sans-serif" font-size="12">',
            f'<rect width="{self._width}" height="{HEIGHT}" fill="white"/>',
        ]
        for kind, mark in self._marks:
            if kind == "line":
                x, y, x2, y2, colour = mark
                lines.append(f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"/>')
            elif kind == "dot":
                x, y, colour, hollow = mark
                fill = "white" if hollow else colour
                lines.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" fill="{fill}" stroke="{colour}"/>')
            else:
                x, y, text, anchor, bold = mark
                weight = ' font-weight="bold"' if bold else ""
                place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{INK}"{weight}'
                lines.append(f"<text {place}>{escape(text)}</text>")
        return "\n".join([*lines, "</svg>", ""])

    def _png(self) -> Any:
        from PIL import Image, ImageDraw, ImageFont

        scale = 2  # sharp on screens of today
        picture = Image.new("RGB", (self._width * scale, HEIGHT * scale), "white")
        pen, font = ImageDraw.Draw(picture), ImageFont.load_default(12 * scale)
        for kind, mark in self._marks:
            if kind == "line":
                pen.line([scale * place for place in mark[:4]], fill=mark[4], width=scale)
            elif kind == "dot":
                x, y, colour, hollow = mark
                box = [scale * place for place in (x - 4.5, y - 4.5, x + 4.5, y + 4.5)]
                pen.ellipse(box, fill="white" if hollow else colour, outline=colour, width=scale)
            else:
                x, y, text, anchor, _ = mark
                where = {"start": "ls", "middle": "ms", "end": "rs"}[anchor]
                pen.text((scale * x, scale * y), text, fill=INK, font=font, anchor=where)
        return picture


def plot(found: Sequence[dict[str, Any]], title: str) -> Canvas:
    """Return the plot of what `bench` has measured: ratio against speed, and against error if there is any."""
    tried = [one for one in found if "refusal" not in one]
    lossy = [(number, one) for number, one in enumerate(tried, start=1) if one["rms"] > 0]
    canvas = Canvas(WIDTH if lossy else WIDTH - PANEL[0] - GAP)
    names = list(dict.fromkeys(one["codec"] for one in tried))
    colours = {name: COLOURS[number % len(COLOURS)] for number, name in enumerate(names)}
    canvas.text((LEFT, 24), title, bold=True)
    ratios = Axis.of([one["ratio"] for one in tried], LEFT, PANEL[0], "ratio")
    speeds = Axis.of([one[key] for one in tried for key in ("read", "write")], TOP + PANEL[1], -PANEL[1], "MB/s")
    _frame(canvas, ratios, speeds)
    written = [(ratios(one["ratio"]), speeds(one["write"])) for one in tried]
    for one, at in zip(tried, written, strict=True):
        canvas.dot(at, colours[one["codec"]], hollow=True)
    places = [(number, one, (ratios(one["ratio"]), speeds(one["read"]))) for number, one in enumerate(tried, start=1)]
    _points(canvas, places, colours, written)
    left = LEFT + PANEL[0] + GAP
    if lossy:
        again = Axis.of([one["ratio"] for _, one in lossy], left, PANEL[0], "ratio")
        errors = Axis.of([one["rms"] for _, one in lossy], TOP + PANEL[1], -PANEL[1], "rms error, noises")
        _frame(canvas, again, errors)
        _points(canvas, [(number, one, (again(one["ratio"]), errors(one["rms"]))) for number, one in lossy], colours)
        left += PANEL[0] + GAP
    bottom = _legend(canvas, tried, colours, left - 40)
    if not lossy:
        canvas.text((left - 45, bottom + 30), "no setting loses anything")
    return canvas


def _points(
    canvas: Canvas,
    places: Sequence[tuple[int, dict[str, Any], Point]],
    colours: dict[str, str],
    drawn: Sequence[Point] = (),
) -> None:
    """Draw points with their numbers, each at the side where there is most room between others and those ``drawn``."""
    for _, one, at in places:
        canvas.dot(at, colours[one["codec"]])
    taken = [*drawn, *(at for _, _, at in places)]
    for number, _, at in places:
        sides = [
            (at[0] + x, at[1] + y)
            for x, y in ((12, 0), (0, -12), (0, 13), (-13, 0), (13, -11), (13, 12), (-13, -11), (-13, 12))
        ]
        others = [place for place in taken if place != at]
        rooms = [min((max(abs(x - u) / 13, abs(y - v) / 11) for u, v in others), default=2.0) for x, y in sides]
        where = sides[max(range(len(sides)), key=lambda side: min(rooms[side], 1.01))]
        taken.append(where)
        canvas.text((where[0], where[1] + 4), str(number), anchor="middle")


class Axis:
    """A logarithmic axis: from numbers to places.

    Parameters
    ----------
    low, high : float
    start, length : float
        Where ``low`` is, and how far from there ``high``.
    name : str
    """

    def __init__(self, low: float, high: float, start: float, length: float, name: str) -> None:
        self.low, self.high, self.start, self.length, self.name = low, high, start, length, name

    @classmethod
    def of(cls, values: Sequence[float], start: float, length: float, name: str) -> Axis:
        """Return an axis that holds all values, with some room around them."""
        good = [value for value in values if value > 0] or [1.0]
        return cls(min(good) / 1.25, max(good) * 1.35, start, length, name)

    def __call__(self, value: float) -> float:
        """Return the place of a number."""
        part = math.log(max(value, self.low) / self.low) / math.log(self.high / self.low)
        return self.start + self.length * part

    def ticks(self) -> list[float]:
        """Return round numbers, five or so."""
        for steps in ((1,), (1, 3), (1, 2, 5), tuple(range(1, 10)), tuple(1 + 0.25 * n for n in range(36))):
            powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            found = [step * 10.0**power for power in powers for step in steps]
            found = [value for value in found if self.low <= value <= self.high]
            if len(found) >= 3:
                found = found[:: -(-len(found) // 8)]
                break
        kept: list[float] = []
        for value in found:
            if not kept or abs(self(value) - self(kept[-1])) >= LEAST_TICK:
                kept.append(value)
        return kept


def _frame(canvas: Canvas, across: Axis, up: Axis) -> None:
    left, right, bottom, top = across.start, across.start + across.length, up.start, up.start + up.length
    for value in across.ticks():
        canvas.line((across(value), bottom), (across(value), top), GRID)
        canvas.text((across(value), bottom + 16), f"{value:g}", anchor="middle")
    for value in up.ticks():
        canvas.line((left, up(value)), (right, up(value)), GRID)
        canvas.text((left - 6, up(value) + 4), f"{value:g}", anchor="end")
    canvas.line((left, bottom), (right, bottom), INK)
    canvas.line((left, bottom), (left, top), INK)
    canvas.text(((left + right) / 2, bottom + 36), across.name, anchor="middle")
    canvas.text((left - 40, top - 10), up.name)


def _legend(canvas: Canvas, tried: Sequence[dict[str, Any]], colours: dict[str, str], left: float) -> float:
    """Say what the colours and numbers mean; return where that ends."""
    top = float(TOP)
    step = min(20.0, (HEIGHT - TOP - 60) / max(len(tried), 1))
    for number, one in enumerate(tried, start=1):
        canvas.dot((left, top - 4), colours[one["codec"]])
        canvas.text((left + 12, top), f"{number}  {one['codec']}, {one['setting']}")
        top += step
    canvas.dot((left, top + 6), INK)
    canvas.text((left + 12, top + 10), "read")
    canvas.dot((left + 60, top + 6), INK, hollow=True)
    canvas.text((left + 72, top + 10), "written")
    return top + 10
