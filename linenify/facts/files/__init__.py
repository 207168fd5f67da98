"""What holds for a file as a whole: its names, its marks, what it needs at import."""
