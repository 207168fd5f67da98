"""What submodules and their params are called in both worlds."""
