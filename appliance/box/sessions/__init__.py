"""Sessions: games and practices. A session groups plays and clips; channels exist independently of it."""
