"""Models by name: what is offered, fetching it, keeping it."""
