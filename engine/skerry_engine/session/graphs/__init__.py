"""Executing definitions of graphs: CREATE GRAPH and its kin, indexes and constraints over elements."""
