"""Header cards: parsing, the live view, batched edits.

Not here: what the keywords of one kind of HDU mean; each kind reads its own.
"""
