"""What an encoder's embeddings hold."""
