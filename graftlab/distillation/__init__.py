"""From a base and its blend to a student: the pairs that it learns from."""
