"""The studio: a page on which people play with everything, and the server behind it. It computes nothing itself."""
