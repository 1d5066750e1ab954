"""The kinds of HDU."""
