"""How fast graftlab is on this machine: `python -m benchmarks`."""
