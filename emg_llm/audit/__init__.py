"""Leakage audit: how much of a score is leak or no muscle; duplicated signals and people."""
