"""The networks of the papers, from primitive to model."""
