"""Images of rustfits in the hands of array libraries: one module for each, which imports it."""
