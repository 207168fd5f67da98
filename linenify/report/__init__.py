"""Records in, strings out."""
