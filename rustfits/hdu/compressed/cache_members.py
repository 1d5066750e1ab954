"""What everything that is cut into tiles says of its tile cache."""

from __future__ import annotations

from rustfits.tiles.cache import TileCache


class CacheMembers:
    """The members of an HDU that keeps decoded tiles; stands before its kind among the bases."""

    _cache: TileCache

    @property
    def tile_cache_size(self) -> int:
        """Bytes of decoded tiles that are kept at most."""
        return self._cache.capacity

    @property
    def tile_cache_used(self) -> int:
        """Bytes of decoded tiles that are kept now."""
        return self._cache.used

    def set_tile_cache_size(self, bytes: int) -> None:
        """Set how many bytes of decoded tiles are kept at most; 0 keeps none.

        Raises
        ------
        ParameterOverflow
            If it is negative.
        TypeError
            If it is no integer.
        """
        self._cache.resize(bytes)

    def clear_tile_cache(self) -> None:
        """Drop every decoded tile that is kept."""
        self._cache.clear()
