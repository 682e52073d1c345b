"""Conversations about a recording, and the check of their facts."""
