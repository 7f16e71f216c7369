"""From syntax trees to the algebra: names become ranges and positions, every expression gets a type.

The binder is a whitelist: each kind of node names the parts it understands (`whitelist`), and any other part
that is present is refused by name.
"""
