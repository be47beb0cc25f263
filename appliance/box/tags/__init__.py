"""Tags: analysts' descriptions of a clip, and the figures computed from them."""
