"""Leakage audit: duplicated signals, and how much of a score is leak."""
