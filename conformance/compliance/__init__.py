"""PyPI's opencypher-compliance, through an adapter that translates its queries to GQL."""
