"""Module classes: their fields, methods, calls, partials, attention, cells, lifted transforms."""
