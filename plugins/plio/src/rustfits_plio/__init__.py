"""PLIO_1 compression for rustfits."""

from rustfits_plio.codec import Plio1

__all__ = ["Plio1"]
