"""Pictures in a terminal: by the protocols of kitty and iTerm2, or as half blocks of colour that every terminal has."""

from __future__ import annotations

import io
import os
import shutil
from base64 import standard_b64encode
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

WAYS = ("kitty", "iterm2", "blocks")
CHUNK_NBYTES = 4096  # of base64 that kitty takes at once
LINES_LEFT = 2  # of a screen, for the prompt


def way_of(environment: os._Environ[str] | dict[str, str]) -> str:
    """Return how the terminal that the environment tells of shows pictures; half blocks if it says nothing."""
    program, term = environment.get("TERM_PROGRAM", ""), environment.get("TERM", "")
    if environment.get("TMUX") or term.startswith(("screen", "tmux")):
        return "blocks"  # the program between would swallow pictures
    if term in ("xterm-kitty", "xterm-ghostty") or "KITTY_WINDOW_ID" in environment or program == "ghostty":
        return "kitty"
    if program in ("iTerm.app", "WezTerm", "mintty", "vscode") or environment.get("LC_TERMINAL") == "iTerm2":
        return "iterm2"
    return "blocks"


def rendered(picture: Image.Image, way: str) -> str:
    """Return what makes a terminal show a picture."""
    if way == "blocks":
        return _blocks(picture)
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG")
    data = standard_b64encode(buffer.getvalue()).decode("ascii")
    if way == "iterm2":
        return f"\x1b]1337;File=inline=1;preserveAspectRatio=1;size={len(buffer.getvalue())}:{data}\x07\n"
    parts = [data[start : start + CHUNK_NBYTES] for start in range(0, len(data), CHUNK_NBYTES)]
    found = []
    for number, part in enumerate(parts):
        keys = ["a=T", "f=100"] if not number else []
        keys.append(f"m={int(number < len(parts) - 1)}")
        found.append(f"\x1b_G{','.join(keys)};{part}\x1b\\")
    return "".join(found) + "\n"


def _blocks(picture: Image.Image) -> str:
    """Return two rows of pixels a line: upper half blocks, whose colour is that of one, on that of the other."""
    columns, lines = shutil.get_terminal_size()
    width, height = picture.size
    scale = min(columns / width, 2 * max(lines - LINES_LEFT, 1) / height, 1.0)
    small = picture.convert("RGB").resize((max(int(width * scale), 1), max(int(height * scale), 1)))
    pixels = [[small.getpixel((x, y)) for x in range(small.width)] for y in range(small.height)]
    found = []
    for row in range(0, len(pixels), 2):
        line = []
        for column, upper in enumerate(pixels[row]):
            line.append(f"\x1b[38;2;{_colour(upper)}")
            if row + 1 < len(pixels):
                line.append(f";48;2;{_colour(pixels[row + 1][column])}")
            line.append("m\u2580")
        found.append("".join(line) + "\x1b[0m\n")
    return "".join(found)


def _colour(pixel: object) -> str:
    assert isinstance(pixel, tuple)
    return ";".join(str(part) for part in pixel)
