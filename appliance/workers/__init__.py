"""Worker processes: the only place where FFmpeg code meets media we did not write ourselves.

`pool` is the daemon's side (a trio actor), `__main__` the child's. They share `protocol` and `jobs` and
nothing else.
"""
