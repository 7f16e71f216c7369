"""Skerry: a transactional database in typed Python, embedded or over the network."""
