"""Worker processes: the only place where FFmpeg code processes media we did not write ourselves.

`pool` is the daemon's side (a trio actor), `__main__` the child's. They share only `protocol` and `jobs`.
"""
