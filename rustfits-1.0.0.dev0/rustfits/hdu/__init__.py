"""The kinds of HDU: what all have in common, their checksums, and which class stands for which.

Not here: the file around them, which is of `rustfits.container`.
"""
