"""What is said about a recording, and whether it holds."""
