"""What all tests share, those of the plugins included."""

from hypothesis import settings

# Examples of a busy machine take as long as they like: no test measures time.
settings.register_profile("rustfits", deadline=None)
settings.load_profile("rustfits")
