"""The fuzz targets: on their seeds, on what was found once, on Hypothesis' bytes, under atheris.

Hypothesis joins, cuts and mends pieces of the seeds: what is near to sense finds more than noise.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable

import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from tests.corpus.rows import FOUND

from .frames import encoded
from .planted import FAULTS, planted
from .run import TARGETS, fuzz

Target = Callable[[bytes], None]

NEEDED = "needs: atheris, for coverage-guided fuzzing (make fuzz-tools)"
SECONDS = 10
ONE_EVENT = encoded(['42["cv_updated",{"cv_code":"ABC123XYZ"}]'])


def seeds_of(name: str) -> list[bytes]:
    return [*importlib.import_module(f"tests.fuzz.{name}").seeds(), *FOUND[name]]


def near(seeds: list[bytes]) -> st.SearchStrategy[bytes]:
    """Of a seed a beginning, some bytes, and the end of another."""
    cut = st.tuples(st.sampled_from(seeds), st.floats(0, 1))
    heads = cut.map(lambda drawn: drawn[0][: int(len(drawn[0]) * drawn[1])])
    tails = cut.map(lambda drawn: drawn[0][int(len(drawn[0]) * drawn[1]) :])
    return st.tuples(heads, st.binary(max_size=4), tails).map(b"".join)


@pytest.mark.parametrize("name", TARGETS)
def test_every_seed_and_all_that_was_found_passes(name: str) -> None:
    one: Target = importlib.import_module(f"tests.fuzz.{name}").one
    for seed in seeds_of(name):
        one(seed)


@pytest.mark.parametrize("name", TARGETS)
def test_whatever_is_near_a_seed_passes(name: str) -> None:
    one: Target = importlib.import_module(f"tests.fuzz.{name}").one

    @settings(max_examples=4 * settings().max_examples)
    @given(near(seeds_of(name)))
    def check(data: bytes) -> None:
        one(data)

    check()


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_the_fast_path_is_found_near_the_seeds(fault: str) -> None:
    one: Target = importlib.import_module("tests.fuzz.frames").one

    def fails(data: bytes) -> bool:
        try:
            one(data)
        except AssertionError:
            return True
        return False

    quick = settings(max_examples=2_000, phases=[Phase.generate])
    with planted(fault):
        try:
            find(near(seeds_of("frames")), fails, settings=quick)
        except NoSuchExample:
            pytest.fail("the planted fault was not found")


@pytest.mark.prove
@pytest.mark.parametrize("name", TARGETS)
def test_fuzzing_finds_nothing(name: str) -> None:
    if importlib.util.find_spec("atheris") is None:
        pytest.skip(NEEDED)
    run = fuzz(name, seconds=SECONDS)
    assert not run.findings, (run.story, [finding.hex() for finding in run.findings])
    assert run.executions > 50 and run.edges > 50


@pytest.mark.prove
def test_fuzzing_finds_a_planted_fault_from_one_plain_event() -> None:
    if importlib.util.find_spec("atheris") is None:
        pytest.skip(NEEDED)
    run = fuzz("frames", seconds=120, runs=20_000, fault="swallows", seeds=[ONE_EVENT])
    assert run.findings and run.executions < 20_000
