"""Tokens of two generations."""

from __future__ import annotations

import hmac

import pytest

from listener.adapters.web.gate import Scope, Tokens
from listener.adapters.web.problems import Refused


class Gate:
    """Tokens under a clock that is set by hand."""

    def __init__(self, tokens: dict[str, Scope]) -> None:
        self.now = 1_000.0
        self.tokens = Tokens(tokens, lambda: self.now)

    def lets_in(self, token: str, scope: Scope = Scope.READ) -> bool:
        try:
            self.tokens.check(f"Bearer {token}", scope)
        except Refused:
            return False
        return True


def test_a_token_that_was_replaced_is_known_for_a_while() -> None:
    gate = Gate({"first-token": Scope.ADMIN})
    gate.tokens.replace({"second-token": Scope.READ}, 60)
    assert gate.lets_in("second-token")
    assert gate.lets_in("first-token", Scope.ADMIN)
    gate.now += 59
    assert gate.lets_in("first-token")
    gate.now += 1
    assert not gate.lets_in("first-token")
    assert gate.lets_in("second-token")


def test_replacing_again_gives_no_token_more_time() -> None:
    gate = Gate({"first-token": Scope.ADMIN})
    gate.tokens.replace({"second-token": Scope.ADMIN}, 60)
    gate.now += 30
    gate.tokens.replace({"third-token": Scope.ADMIN}, 60)
    gate.now += 31
    assert [gate.lets_in(f"{name}-token") for name in ("first", "second", "third")] == [
        *(False, True, True)
    ]
    gate.tokens.replace({"first-token": Scope.READ}, 0)
    assert gate.lets_in("first-token")
    assert not gate.lets_in("first-token", Scope.SUBMIT), "with the scope that it has now"
    assert not gate.lets_in("third-token"), "without a period it ends at once"


def test_one_kept_from_an_earlier_run_ends_when_its_time_does() -> None:
    gate = Gate({"first-token": Scope.ADMIN})
    gate.tokens.keep("older-token", Scope.SUBMIT, gate.now + 10)
    assert gate.lets_in("older-token", Scope.SUBMIT)
    assert not gate.lets_in("older-token", Scope.ADMIN)
    gate.now += 10
    assert not gate.lets_in("older-token")


def test_tokens_that_do_not_hold_replace_nothing() -> None:
    gate = Gate({"first-token": Scope.ADMIN})
    with pytest.raises(ValueError, match="expected at least one"):
        gate.tokens.replace({}, 60)
    assert gate.lets_in("first-token", Scope.ADMIN)


@pytest.mark.parametrize("given", ["first-token", "second-token", "kept-token", "no-token"])
def test_every_known_token_is_compared(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    gate = Gate({"first-token": Scope.ADMIN, "second-token": Scope.READ})
    gate.tokens.keep("kept-token", Scope.READ, gate.now + 10)
    real, compared = hmac.compare_digest, 0

    def compare_digest(one: bytes, other: bytes) -> bool:
        nonlocal compared
        compared += 1
        return real(one, other)

    monkeypatch.setattr(hmac, "compare_digest", compare_digest)
    assert gate.lets_in(given) == (given != "no-token")
    assert compared == 3
