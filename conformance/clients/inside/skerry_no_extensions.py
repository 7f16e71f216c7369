"""A pytest plugin for SQLAlchemy's testing framework: it makes no extensions in the test database (citext, hstore).

Skerry refuses them by name, and the framework would end there.  What needs them fails in front of PostgreSQL as well.
"""

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    from sqlalchemy.dialects.postgresql import provision

    provision._extensions.clear()
