"""The store's engine for PostgreSQL, for the hosted program. The box never imports it."""
