"""Numbers of an image: BITPIX, BSCALE, BZERO and BLANK, and what a section of it means.

Not here: tiles, and where pixels lie in a file.
"""
