"""Weights and their configuration, in files."""
