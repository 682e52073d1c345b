"""The feature bank: what can be computed from a segment of a channel, by name."""
