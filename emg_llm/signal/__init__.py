"""One recording of EMG as numbers: reading, cleaning, features, quality, simulation."""
