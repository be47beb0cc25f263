"""Adapters that daemon.py uses to connect the domains; nothing here decides."""
