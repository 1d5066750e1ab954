"""Tests that a plugin author inherits."""
