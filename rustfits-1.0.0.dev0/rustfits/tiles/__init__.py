"""Compressed images below their HDU: the grid of tiles, what the table says, the cache, the ways to pixels and back.

Not here: headers that users see, files, and codecs, which see neither tables nor sections.
"""
