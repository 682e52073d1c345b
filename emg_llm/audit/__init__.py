"""How much of a score is leak."""
