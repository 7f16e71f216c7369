"""Views that are kept up to date from changes: operators on differences, and what makes them of a query."""
