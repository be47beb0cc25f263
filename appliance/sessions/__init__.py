"""Sessions: what the operator runs. A session groups plays, clips and tags; channels outlive it."""
