"""Header cards: parsing, the live view, batched edits."""
