"""A skip says why, and in CI a missing tool is no excuse.

A test that cannot run here for want of a tool, a server or a privilege skips with a reason that
begins with ``needs:`` ("needs: node on PATH"). On a developer's machine that is a skip, printed
with its reason. Under ``CI=true`` it is a failure: what CI does not prove must not look proven.
Any other reason (the wrong platform, say) stays a skip everywhere.
"""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest

NEEDS = "needs:"


def _in_ci() -> bool:
    return os.environ.get("CI", "").lower() in {"1", "true", "yes"}


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    """The skip's own words; pytest keeps a skip as (path, line, "Skipped: reason")."""
    told = report.longrepr
    return told[2].removeprefix("Skipped: ") if isinstance(told, tuple) else str(told)


def _refuse(report: pytest.TestReport | pytest.CollectReport) -> None:
    if not report.skipped or hasattr(report, "wasxfail") or not _in_ci():
        return
    reason = _reason(report)
    if reason.startswith(NEEDS):
        report.outcome = "failed"
        report.longrepr = f"CI must bring what its tests need; this one was to be skipped: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _refuse(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _refuse(report)
    return report
