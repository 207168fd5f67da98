"""Both sides of a migration, executed and compared.  The only place that runs user code."""
