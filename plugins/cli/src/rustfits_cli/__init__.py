"""The command line of rustfits."""
