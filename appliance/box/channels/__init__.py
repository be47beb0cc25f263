"""Channels: one camera position each; whether it is alive, and whether it sends footage."""
