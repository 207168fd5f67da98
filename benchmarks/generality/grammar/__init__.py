"""Legacy programs from a grammar, weighted by what real code does most."""
