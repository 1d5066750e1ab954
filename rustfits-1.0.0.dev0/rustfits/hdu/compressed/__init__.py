"""Compressed images as users hold them: their header, edits, rows that wait, ZDATASUM and ZHECKSUM.

Not here: how tiles are found, decoded and encoded, which is of `rustfits.tiles`.
"""
