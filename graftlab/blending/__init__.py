"""What one does with whole networks: two or more with the same layers become one, layer by layer."""
