"""Long work and what it leaves on a disk: files that are whole or not there, locks, parts to go on from, threads."""
