"""Retention: which recordings and clips are deleted when the disk fills or they are too old."""
