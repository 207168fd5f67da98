"""Programs by the thousand: code that nobody wrote, and what linenify makes of it."""
