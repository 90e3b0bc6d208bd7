"""What one can do with codes: arithmetic on them, followed by `decode`."""
