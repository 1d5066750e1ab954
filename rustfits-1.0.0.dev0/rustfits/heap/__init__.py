"""Rows of a binary table as bytes: columns, descriptors, ranges of the heap, and the one writer of them.

Not here: tables as users see them, which are of `rustfits.hdu.table`, and what the columns of compressed images say.
"""
