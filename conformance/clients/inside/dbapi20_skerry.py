"""The DB-API's compliance tests, dbapi20.py as psycopg2 ships it, over `skerry`.

The runner copies this file beside dbapi20.py.  SKERRY_DBAPI20 says where to connect to; nothing is a database in a
directory, in this process.
"""

import os
import tempfile
import unittest
from typing import ClassVar

import dbapi20
import dbapi20_tpc

import skerry

DIRECTORY = tempfile.TemporaryDirectory()
TARGET = os.environ["SKERRY_DBAPI20"] or os.path.join(DIRECTORY.name, "store")


class SkerryTests(dbapi20.DatabaseAPI20Test):
    """What dbapi20 asks each driver to fill in."""

    driver = skerry
    connect_args = (TARGET,)
    connect_kw_args: ClassVar = {}
    lower_func = "lower"

    def test_nextset(self):
        con = self._connect()
        try:
            cur = con.cursor()
            cur.execute("SELECT 1; SELECT 2")
            self.assertEqual(cur.fetchall(), [(1,)])
            self.assertTrue(cur.nextset())
            self.assertEqual(cur.fetchall(), [(2,)])
            self.assertFalse(cur.nextset())
        finally:
            con.close()

    def test_setoutputsize(self):
        con = self._connect()
        try:
            con.cursor().setoutputsize(10)
            con.cursor().setoutputsize(10, 0)
        finally:
            con.close()


class SkerryTPCTests(dbapi20_tpc.TwoPhaseCommitTests, unittest.TestCase):
    """Two-phase commit."""

    driver = skerry

    def connect(self):
        return skerry.connect(TARGET)
