"""bzip2 compression for rustfits."""

from rustfits_example_bz2.codec import Bz2

__all__ = ["Bz2"]
