"""Which recordings, whose they are, and who is kept apart."""
