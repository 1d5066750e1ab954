"""What a new HDU will be, by the data that are to be written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from rustfits.container.newhdu import PlannedHDU
    from rustfits.container.newimage import Header, NewImage


def is_image(data: object) -> bool:
    """Return whether `FITS.write` makes an image of ``data``: no plugin is asked about arrays of numbers."""
    return isinstance(data, np.ndarray) and data.dtype.names is None


def planned(data: object, extname: str | None, header: Header | None, *, primary: bool) -> NewImage | PlannedHDU:
    """Return what `FITS.write` would write, before a file is opened for it; errors as there."""
    if not is_image(data):
        from rustfits.container.newhdu import PlannedHDU

        return PlannedHDU.of_data(data, extname=extname, header=header)
    from rustfits.container.newimage import NewImage

    return NewImage.of_pixels(np.asanyarray(data), header=header, primary=primary, extname=extname, extver=None)
