"""Starts SQLAlchemy's own test plugin, with the dialects of this tree."""

import pytest
from sqlalchemy.dialects import registry

pytest.register_assert_rewrite("sqlalchemy.testing.assertions")

registry.register("skerry", "skerry.sqlalchemy.base", "SkerryDialect")
registry.register("skerry.network", "skerry.sqlalchemy.base", "SkerryDialect")
registry.register("skerry.embedded", "skerry.sqlalchemy.embedded", "SkerryEmbeddedDialect")
registry.register("skerry.async", "skerry.sqlalchemy.asynchronous", "SkerryAsyncDialect")
registry.register("skerry.async_embedded", "skerry.sqlalchemy.asynchronous", "SkerryAsyncEmbeddedDialect")

import provision  # noqa: E402, F401  (registers what it defines)
from sqlalchemy.testing.plugin.pytestplugin import *  # noqa: E402, F403
