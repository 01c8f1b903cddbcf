"""What holds for every test: how long it may take, how Hypothesis draws, what a skip may say."""

from __future__ import annotations

import signal

import pytest
from hypothesis import HealthCheck, settings

from tests.skip_policy import pytest_make_collect_report, pytest_runtest_makereport

__all__ = ["pytest_make_collect_report", "pytest_runtest_makereport"]

# A run in the background of a script ignores SIGINT, and so would every command that a test
# interrupts: what is ignored is inherited.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

PROOF_SECONDS = 900
"""The bound of a test marked ``prove``; others have pyproject's. A test's own mark wins."""

# The same examples each time, so that a red run is red again; a loaded machine is no failure.
settings.register_profile(
    "default",
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=50,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("prove", settings.get_profile("default"), max_examples=500)
# For long runs by hand: new examples each time, and those that failed are kept.
settings.register_profile(
    "long",
    settings.get_profile("default"),
    derandomize=False,
    database=settings().database,
    max_examples=20_000,
)
settings.load_profile("default")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("prove") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(PROOF_SECONDS))
    # Begun last, the longest would be waited for by all the others.
    items.sort(key=_lasts, reverse=True)


def _lasts(item: pytest.Item) -> int:
    mark = item.get_closest_marker("prove")
    return int(mark.kwargs.get("lasts", 0)) if mark else 0
