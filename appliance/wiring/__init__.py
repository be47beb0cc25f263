"""What daemon.py needs to join the domains: adapters between their shapes, nothing that decides."""
