"""Models through folds: fitted, asked, tampered with, summed up."""
