"""The Hugging Face Hub: there and back."""
