"""Migrate pre-Linen Flax code to flax.linen."""
