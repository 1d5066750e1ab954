"""Tables as users hold them, binary and ASCII: what their headers say, and columns as arrays.

Not here: the tables of compressed images, whose rows are of `rustfits.heap` and `rustfits.tiles`.
"""
