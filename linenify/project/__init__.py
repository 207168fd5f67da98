"""A code base as a value.  Nothing here knows Flax."""
