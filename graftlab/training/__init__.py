"""Making models: one command starts and resumes."""
