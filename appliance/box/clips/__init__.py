"""Clips: from a mark to bytes that play. Plays, ghosts, waits, cuts, files."""
