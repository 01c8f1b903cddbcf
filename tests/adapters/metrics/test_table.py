"""The table of metrics: names as Prometheus has them, and no label that anybody else could fill."""

from __future__ import annotations

import re

import pytest

from docs.metrics import page
from listener.adapters.metrics.table import GROUPS, SPECS, Kind, Spec
from listener.core.names import Outcome

LABELS = {
    *("state", "outcome", "evidence", "result", "detail", "movement", "reason", "disposition"),
    *("verdict", "breaker", "queue", "handler", "event", "level", "version", "python"),
}
EVERY = list(SPECS.values())


@pytest.mark.parametrize("spec", EVERY, ids=lambda spec: spec.name)
def test_a_metric_is_named_after_prometheus_practice(spec: Spec) -> None:
    assert re.fullmatch(r"cv_listener(_[a-z]+)+", spec.full_name)
    assert spec.name.endswith("_total") is (spec.kind is Kind.COUNTER)
    assert spec.name.endswith("_info") is (spec.kind is Kind.INFO)
    assert not re.search(r"_(ms|milliseconds|kib|mib|minutes|ratio)\b", spec.name), "base units"
    if spec.kind is Kind.HISTOGRAM:
        assert spec.name.endswith("_seconds")
        assert list(spec.buckets) == sorted(set(spec.buckets))
    assert bool(spec.buckets) is (spec.kind is Kind.HISTOGRAM)
    assert spec.meaning.endswith(".")


@pytest.mark.parametrize("spec", EVERY, ids=lambda spec: spec.name)
def test_a_label_says_a_word_of_a_closed_vocabulary(spec: Spec) -> None:
    for label in spec.labels:
        assert label.name in LABELS
        assert not re.search(r"cv_ref|code|(^|_)id$|file|path|url|token|error", label.name)
        of_the_process = label.from_settings or spec.kind is Kind.INFO
        assert bool(label.words) is not of_the_process
        assert len(set(label.words)) == len(label.words)
        assert all(re.fullmatch(r"[a-z0-9_.]+", word) for word in label.words)


def test_every_metric_stands_once_and_in_the_papers() -> None:
    named = [spec.name for specs in GROUPS.values() for spec in specs]
    assert sorted(named) == sorted(set(named)) == sorted(SPECS)
    text = page()
    for spec in EVERY:
        assert f"| `{spec.full_name}` | {spec.kind.value} |" in text
        assert spec.meaning in text


def test_the_words_are_the_cores() -> None:
    (outcome, _) = SPECS["submissions_closed_total"].labels
    assert outcome.words == tuple(Outcome)
