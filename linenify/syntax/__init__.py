"""Helpers over libcst.  Nothing here knows Flax."""
