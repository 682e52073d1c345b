"""Analysis of an encoder's embeddings."""
