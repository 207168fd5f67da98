"""Questions about the finished flow; nothing is decided here."""
