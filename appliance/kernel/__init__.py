"""The kernel: clock, store, journal, machines. It knows nothing of video, sessions or HTTP."""
