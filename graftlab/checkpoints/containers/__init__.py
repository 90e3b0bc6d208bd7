"""Opening files of strangers: their bytes to tensors, numbers and text, and nothing else."""
