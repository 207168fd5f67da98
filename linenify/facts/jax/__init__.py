"""Calls and names of JAX and NumPy that are gone or that ask for something else today."""
