"""Metrics by recording, with intervals over people, chance and controls."""
