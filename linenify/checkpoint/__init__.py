"""Legacy checkpoints, carried over to Linen."""
