"""What commands do at a running service, by its API."""
