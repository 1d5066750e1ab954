"""HCOMPRESS_1 compression for rustfits."""

from rustfits_hcompress.codec import Hcompress1

__all__ = ["Hcompress1"]
