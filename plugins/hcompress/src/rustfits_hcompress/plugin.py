"""What the entry point names."""

from __future__ import annotations

from rustfits.plugin import TileCodec, hookimpl
from rustfits_hcompress.codec import Hcompress1


@hookimpl
def rustfits_register_codec() -> type[TileCodec]:
    """Return the class for ZCMPTYPE HCOMPRESS_1."""
    return Hcompress1
