"""Pictures of images that show faint and bright things at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import rustfits

if TYPE_CHECKING:
    from PIL import Image

NSAMPLES = 1_000_000  # pixels looked at to choose the limits
SOFTENING = 5.0  # sky noises above which the stretch turns from linear to logarithmic
SOFT_PART = 0.1  # the same, in parts of the range, where limits are given
LEAST_SOFT = 1e-300  # of either: noise may be 0 beside the range, and divides
LARGEST = 1e37  # of numbers that are averaged, in single precision
GAP = 8  # pixels between the images of a contact sheet
LABEL = 14  # pixels for a name below each
STRETCHES = ("asinh", "linear", "sqrt", "log")
FORMATS = (".png", ".jpg", ".jpeg")

# IRAF's zscale: a line through the sorted sample, whose slope is divided by the contrast.
CONTRAST = 0.25
ZSCALE_NSAMPLES = 1000
ZSCALE_ROUNDS = 5
ZSCALE_SIGMAS = 2.5

# Colours at even distances, from black or the darkest to the brightest.
MAPS: dict[str, tuple[tuple[int, int, int], ...]] = {
    "grey": ((0, 0, 0), (255, 255, 255)),
    "heat": ((0, 0, 0), (128, 0, 0), (255, 64, 0), (255, 192, 32), (255, 255, 255)),
    "cool": ((0, 0, 0), (0, 24, 96), (0, 112, 192), (96, 208, 240), (255, 255, 255)),
    "viridis": (
        (68, 1, 84),
        (72, 40, 120),
        (62, 74, 137),
        (49, 104, 142),
        (38, 130, 142),
        (31, 158, 137),
        (53, 183, 121),
        (110, 206, 88),
        (181, 222, 43),
        (253, 231, 37),
    ),
}


@dataclass(frozen=True, slots=True)
class Look:
    """How pixels become colours.

    Attributes
    ----------
    stretch : str
        One of `STRETCHES`.
    limits : str, float or (float, float)
        'auto', 'zscale', 'minmax', a percentage of the pixels, or the values that are black and white.
    colours : str
        A key of `MAPS`.
    invert : bool
    """

    stretch: str = "asinh"
    limits: str | float | tuple[float, float] = "auto"
    colours: str = "grey"
    invert: bool = False


def parse_limits(text: str) -> str | float | tuple[float, float]:
    """Return limits from words, a percentage, or two numbers.

    Raises
    ------
    ImageError
        If the text is none of them.
    """
    if text in ("auto", "zscale", "minmax"):
        return text
    try:
        if text.endswith("%"):
            percentage = float(text[:-1])
            if 0 < percentage <= 100:
                return percentage
        else:
            low, high = (float(part) for part in text.split(","))
            if math.isfinite(low) and math.isfinite(high) and low < high:
                return low, high
    except ValueError:
        pass
    raise rustfits.ImageError(f"limits {text!r} are not understood; write auto, zscale, minmax, 99.5% or 0,1000")


def write_preview(path: Path, pixels: NDArray[Any], *, longest: int = 1024) -> tuple[int, int]:
    """Write an 8-bit grey PNG of a two-dimensional image, its first row at the bottom as astronomers draw it.

    Parameters
    ----------
    path : Path
        File to write, or to replace.
    pixels : (height, width) array
        Real numbers; NaN is drawn black.
    longest : int
        Most pixels along the longer side; larger images are averaged.

    Returns
    -------
    width, height : int
        Of the picture, in pixels.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    picture = draw(pixels, Look(), longest)
    picture.save(path, format="PNG")
    return picture.width, picture.height


def draw(pixels: NDArray[Any], look: Look, longest: int, *, enlarge: bool = False) -> Image.Image:
    """Return the picture of a two-dimensional image, its first row at the bottom.

    Its longest side is ``longest`` exactly; an image that is smaller stays as it is unless ``enlarge``.
    """
    from PIL import Image

    small = resize(pixels, longest, enlarge=enlarge)
    grey = stretch(small, look)
    picture = Image.fromarray(np.ascontiguousarray(grey[::-1]))
    if look.colours == "grey":
        return picture
    points = np.array(MAPS[look.colours], dtype=np.float64)
    steps = np.linspace(0, len(points) - 1, 256)
    table = np.stack([np.interp(steps, np.arange(len(points)), points[:, band]) for band in range(3)], axis=1)
    return Image.fromarray(np.rint(table).astype(np.uint8)[np.asarray(picture)])


def contact_sheet(images: Sequence[tuple[NDArray[Any], str]], look: Look, longest: int) -> Image.Image:
    """Return all images side by side, each with its own limits and a name below; the longest side is ``longest``."""
    from PIL import Image, ImageDraw

    tall = max(pixels.shape[0] / pixels.shape[1] for pixels, _ in images)
    tall = min(max(tall, 0.1), 10.0)
    ncolumns = min(len(images), max(1, round(math.sqrt(len(images) * tall))))
    nrows = -(-len(images) // ncolumns)
    width = (longest - GAP * (ncolumns + 1)) / ncolumns
    width = min(width, ((longest - GAP * (nrows + 1)) / nrows - LABEL) / tall)
    cell_width = max(int(width), 1)
    cell_height = max(int(width * tall), 1)
    size = [ncolumns * (cell_width + GAP) + GAP, nrows * (cell_height + LABEL + GAP) + GAP]
    size[size.index(max(size))] = longest
    sheet = Image.new("RGB", (size[0], size[1]), (32, 32, 32))
    pen = ImageDraw.Draw(sheet)
    for number, (pixels, name) in enumerate(images):
        row, column = divmod(number, ncolumns)
        left, top = GAP + column * (cell_width + GAP), GAP + row * (cell_height + LABEL + GAP)
        scale = min(cell_width / pixels.shape[1], cell_height / pixels.shape[0])
        side = max(1, int(max(pixels.shape) * scale))
        picture = draw(pixels, look, side, enlarge=True).convert("RGB")
        picture = picture.crop((0, 0, min(picture.width, cell_width), min(picture.height, cell_height)))
        sheet.paste(picture, (left + (cell_width - picture.width) // 2, top + (cell_height - picture.height) // 2))
        text = name
        while text and pen.textlength(text) > cell_width:
            text = text[:-1].rstrip(", ")
        pen.text((left, top + cell_height + 1), text, fill=(224, 224, 224))
    return sheet


def shrink(pixels: NDArray[Any], longest: int) -> NDArray[np.float64]:
    """Return the image with means of areas, its longest side ``longest``, or as it is if it is smaller."""
    return resize(pixels, longest)


def resize(pixels: NDArray[Any], longest: int, *, enlarge: bool = False) -> NDArray[np.float64]:
    """Return an image whose longest side is ``longest``: means of areas, NaN left out, or repeated pixels."""
    from PIL import Image

    side = max(pixels.shape)
    if side == longest or (side < longest and not enlarge):
        return pixels.astype(np.float64)
    height, width = (max(1, round(length * longest / side)) for length in pixels.shape)
    if side < longest:
        rows, columns = np.arange(height) * pixels.shape[0] // height, np.arange(width) * pixels.shape[1] // width
        repeated: NDArray[np.float64] = pixels[rows][:, columns].astype(np.float64)
        return repeated
    values = np.clip(pixels, -LARGEST, LARGEST).astype(np.float32)
    good = np.isfinite(values)
    if good.all():
        return np.asarray(Image.fromarray(values).resize((width, height), Image.Resampling.BOX)).astype(np.float64)
    values[~good] = 0
    parts = [
        np.asarray(Image.fromarray(each).resize((width, height), Image.Resampling.BOX)).astype(np.float64)
        for each in (values, good.astype(np.float32))
    ]
    with np.errstate(invalid="ignore", divide="ignore"):
        means: NDArray[np.float64] = parts[0] / parts[1]
    return means


def stretch(pixels: NDArray[np.float64], look: Look | None = None) -> NDArray[np.uint8]:
    """Return grey values 0 to 255; by default linear near the sky, logarithmic above (inverse hyperbolic sine).

    With automatic limits black is 1.5 noises below the median and white is the 99.8th percentile, both from the finite
    pixels.
    """
    look = look or Look()
    sample = pixels.ravel()[:: max(1, pixels.size // NSAMPLES)]
    sample = sample[np.isfinite(sample)]
    if not sample.size:
        return np.zeros(pixels.shape, dtype=np.uint8)
    with np.errstate(over="ignore", invalid="ignore"):  # numbers near the end of their range make a dull picture
        black, white, soft = limits_of(sample, look)
        part = (pixels - black) / ((white - black) or 1.0)
        scaled = _curve(part, look.stretch, soft)
    grey: NDArray[np.uint8] = np.rint(255 * np.clip(np.nan_to_num(scaled, nan=0.0), 0.0, 1.0)).astype(np.uint8)
    if look.invert:
        grey = 255 - grey
        grey[np.isnan(pixels)] = 0
    return grey


def limits_of(sample: NDArray[np.float64], look: Look) -> tuple[float, float, float]:
    """Return the values of black and white, and the part of the range that asinh leaves linear."""
    if isinstance(look.limits, tuple):
        return *look.limits, SOFT_PART
    if look.limits == "auto":
        sky, white = percentiles(sample, 50.0, 99.8)
        noise = 1.4826 * percentiles(np.abs(sample - sky), 50.0)[0]
        noise = noise or float(np.std(sample))  # masks: most pixels are equal, and the median deviation is 0
        noise = max(noise, 1e-9 * abs(sky)) or 1.0
        black = sky - 1.5 * noise
        white = max(white, sky + 3.0 * noise)
        soft = max(float(SOFTENING * noise / (white - black)), LEAST_SOFT)
        return float(black), float(white), soft
    if look.limits == "zscale":
        return *zscale(sample), SOFT_PART
    share = 100.0 if look.limits == "minmax" else float(look.limits)
    low, high = percentiles(sample, 50 - share / 2, 50 + share / 2)
    return low, high, SOFT_PART


def percentiles(sample: NDArray[np.float64], *shares: float) -> list[float]:
    """Return the values below which shares of finite numbers lie, in percent, as NumPy interpolates them.

    NumPy's own loads `numpy.ma` first, a tenth of the time that a small picture takes.
    """
    places = [share / 100 * (sample.size - 1) for share in shares]
    pairs = [(int(place), min(int(place) + 1, sample.size - 1)) for place in places]
    ordered = np.partition(sample, sorted({at for pair in pairs for at in pair}))
    return [
        float(ordered[low]) * (1 - (place - low)) + float(ordered[high]) * (place - low)
        for place, (low, high) in zip(places, pairs, strict=True)
    ]


def zscale(sample: NDArray[np.float64]) -> tuple[float, float]:
    """Return IRAF's limits: those of a line through the sorted pixels, outliers left out, steepened by the contrast."""
    ordered = np.sort(sample[:: max(1, sample.size // ZSCALE_NSAMPLES)][:ZSCALE_NSAMPLES])
    count = ordered.size
    low, high, median = float(ordered[0]), float(ordered[-1]), percentiles(ordered, 50.0)[0]
    places = np.arange(count, dtype=np.float64)
    kept = np.ones(count, dtype=bool)
    for _ in range(ZSCALE_ROUNDS):
        if kept.sum() < max(5, count // 2):
            return low, high
        slope, origin = np.polyfit(places[kept], ordered[kept], 1)
        away = ordered - (slope * places + origin)
        better = np.abs(away) <= ZSCALE_SIGMAS * away[kept].std()
        if (better == kept).all():
            break
        kept = better
    slope /= CONTRAST
    center = (count - 1) / 2
    return max(low, float(median - center * slope)), min(high, float(median + center * slope))


def _curve(part: NDArray[np.float64], kind: str, soft: float) -> NDArray[np.float64]:
    """Return the brightness, 0 to 1, of a part of the range from black to white."""
    if kind == "asinh":
        return np.asarray(np.arcsinh(part / soft) / np.arcsinh(1 / soft))
    part = np.clip(part, 0, 1)
    if kind == "sqrt":
        return np.asarray(np.sqrt(part))
    if kind == "log":
        return np.asarray(np.log10(1 + 999 * part) / 3)
    return part
