"""How fast graftlab is, by itself and beside other implementations: `python -m benchmarks`."""
