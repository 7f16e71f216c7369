"""Bookings of a small hotel: a service with repositories, on SQLAlchemy's ORM: `python -m bookings [URL]`."""
