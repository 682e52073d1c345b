"""Datasets of recordings with their labels and people, and how they are split."""
