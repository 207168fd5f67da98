"""What the old world was: layers, functions, names and optimizers, as data."""
