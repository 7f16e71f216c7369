"""Settings for Django's own tests, and a runner that records what becomes of each, as `skerry_recorder` does.

Two things are settled otherwise than Django settles them, in front of PostgreSQL too: its models are made with a
collation that any PostgreSQL has (Django's wants ICU's Swedish), and the tables of db_functions are made without its
migrations, which want pgcrypto.
"""

import os
import unittest

from django.test.runner import DiscoverRunner
from skerry_recorder import known, write

TEST_RUNNER = "skerry_django.Runner"
SECRET_KEY = "not secret"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
USE_TZ = False


def _database(name):
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": name,
        "HOST": os.environ["PGHOST"],
        "PORT": os.environ["PGPORT"],
        "USER": os.environ["PGUSER"],
        "PASSWORD": os.environ["PGPASSWORD"],
    }


DATABASES = {"default": _database("django_default"), "other": _database("django_other")}


class Result(unittest.TextTestResult):
    """Records each test as soon as it is over."""

    cases = ()
    """The names of all tests, for those whose class can't be set up."""

    def startTest(self, test):
        write(test.id(), "started")
        super().startTest(test)

    def addSuccess(self, test):
        write(test.id(), "passed")
        super().addSuccess(test)

    def addExpectedFailure(self, test, err):
        write(test.id(), "passed")
        super().addExpectedFailure(test, err)

    def addUnexpectedSuccess(self, test):
        write(test.id(), "failed", "succeeds, where failure is expected")
        super().addUnexpectedSuccess(test)

    def addSkip(self, test, reason):
        for case in self._cases_of(test):
            write(case, "skipped", reason)
        super().addSkip(test, reason)

    def addFailure(self, test, err):
        self._failed(test, err)
        super().addFailure(test, err)

    def addError(self, test, err):
        self._failed(test, err)
        super().addError(test, err)

    def addSubTest(self, test, subtest, err):
        if err is not None:
            self._failed(test, err)
        super().addSubTest(test, subtest, err)

    def _failed(self, test, err):
        for case in self._cases_of(test):
            write(case, "failed", f"{err[0].__name__}: {err[1]}")

    def _cases_of(self, test):
        """A test; all of a class where 'setUpClass (package.Class)' stands for them."""
        name = test.id()
        if not name.startswith("setUpClass ("):
            return [name]
        prefix = name[len("setUpClass (") : -1] + "."
        return [case for case in self.cases if case.startswith(prefix)]


class Runner(DiscoverRunner):
    """Runs what the record does not know yet."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        from django.conf import settings
        from django.db.backends.postgresql.features import DatabaseFeatures

        DatabaseFeatures.test_collations = dict.fromkeys(DatabaseFeatures.test_collations, "POSIX")
        settings.MIGRATION_MODULES["db_functions"] = None

    def build_suite(self, *args, **options):
        suite = super().build_suite(*args, **options)
        over = known()
        tests = [test for test in _tests(suite) if test.id() not in over]
        for test in tests:
            write(test.id(), "collected")
        Result.cases = tuple(test.id() for test in tests)
        return self.test_suite(tests)

    def get_resultclass(self):
        return Result


def _tests(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from _tests(test)
        else:
            yield test
