"""What the entry point names."""

from __future__ import annotations

from rustfits.plugin import TileCodec, hookimpl
from rustfits_rice.codec import Rice1


@hookimpl
def rustfits_register_codec() -> type[TileCodec]:
    """Return the class for ZCMPTYPE RICE_1."""
    return Rice1
