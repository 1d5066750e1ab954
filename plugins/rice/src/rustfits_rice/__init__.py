"""RICE_1 compression for rustfits."""

from rustfits_rice.codec import Rice1

__all__ = ["Rice1"]
