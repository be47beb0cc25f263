"""Retention: what goes when the disk fills or its time is over, and what never does."""
