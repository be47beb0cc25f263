"""Tags: what analysts say of a clip, and the figures computed from it."""
