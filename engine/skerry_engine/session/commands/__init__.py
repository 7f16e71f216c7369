"""Commands: every statement that is not a query, a module per family.

A family offers generators of steps that end with a Complete,
and `dispatch` knows which statement class goes where.
"""
