"""What the entry point names."""

from __future__ import annotations

from rustfits.plugin import TileCodec, hookimpl
from rustfits_plio.codec import Plio1


@hookimpl
def rustfits_register_codec() -> type[TileCodec]:
    """Return the class for ZCMPTYPE PLIO_1."""
    return Plio1
