"""A bookshop by SQLAlchemy's ORM: `python -m bookshop [URL]`."""
