"""The store's engine for SQLite, the box's database."""
