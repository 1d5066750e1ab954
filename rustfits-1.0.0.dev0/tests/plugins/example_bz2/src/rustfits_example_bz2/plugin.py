"""What the entry point names."""

from rustfits.plugin import TileCodec, hookimpl
from rustfits_example_bz2.codec import Bz2


@hookimpl
def rustfits_register_codec() -> type[TileCodec]:
    """Return the class for ZCMPTYPE BZ2_1."""
    return Bz2
