"""One module for each format of model that others write."""
