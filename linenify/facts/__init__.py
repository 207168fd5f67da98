"""What the legacy code means in Flax terms.  Nothing here rewrites anything."""
