"""A pytest plugin that writes what becomes of each test as soon as it is known, so that a run that hangs or dies
leaves what it has measured, and another run goes on behind it: what the record knows already is left out.

It runs in the environments of the suites, and imports nothing but what Python brings.  One JSON document a line:
[case, word, message]; of several lines about one case the worst counts.  Other plugins write by `write` as well.
"""

import json
import os

PATH = os.environ["SKERRY_RECORD"]


def write(case, word, message=""):
    with open(PATH, "a", encoding="utf-8") as record:
        record.write(json.dumps([case, word, message[:2000]]) + "\n")


def _message(report):
    crash = getattr(getattr(report, "longrepr", None), "reprcrash", None)
    if crash is not None:
        return str(crash.message)
    longrepr = getattr(report, "longrepr", "")
    return str(longrepr[2]) if isinstance(longrepr, tuple) else str(longrepr)


def known():
    if not os.path.exists(PATH):
        return set()
    with open(PATH, encoding="utf-8") as record:
        lines = [json.loads(line) for line in record]
    return {case for case, word, _ in lines if word != "collected"}


def pytest_collection_modifyitems(config, items):
    over = known()
    left = [item for item in items if item.nodeid not in over]
    for item in left:
        write(item.nodeid, "collected")
    config.hook.pytest_deselected(items=[item for item in items if item.nodeid in over])
    items[:] = left


def pytest_collectreport(report):
    if report.failed:
        write(report.nodeid, "failed", _message(report))


def pytest_runtest_logstart(nodeid):
    write(nodeid, "started")


def pytest_runtest_logreport(report):
    if report.failed:
        write(report.nodeid, "failed", _message(report))
    elif report.skipped:
        write(report.nodeid, "skipped", _message(report))
    elif report.when == "call":
        write(report.nodeid, "passed")
