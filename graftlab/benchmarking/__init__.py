"""How fast a machine is with these networks: its own ceiling, and pictures per second beside it."""
