"""The image of `rustfits demo`: M13, from SkyView, as astropy ships it among its test files (BSD-3-Clause)."""
