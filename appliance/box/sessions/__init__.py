"""Sessions: games and practices. A session groups plays, clips and tags; channels exist independently of
it."""
