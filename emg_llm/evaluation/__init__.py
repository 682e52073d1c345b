"""What a score means: recording-level metrics, intervals over people, chance and controls."""
