"""Which of a reply's headers go on to somebody else."""

from __future__ import annotations

from listener.core import wire


def names(*head: tuple[bytes, bytes]) -> list[str]:
    return [name for name, _ in wire.end_to_end(head)]


def test_what_is_the_messages_own_goes_on_as_it_came() -> None:
    head = (
        (b"Date", b"Sat, 31 Jan 2026 12:00:00 GMT"),
        (b"content-TYPE", b"application/json; charset=utf-8"),
        (b"Set-Cookie", b"a=1"),
        (b"Set-Cookie", b"b=2"),
        (b"Content-Encoding", b"br"),
        (b"X-RateLimit-Remaining", b""),
        (b"Retry-After", b"7"),
        (b"Location", b"/elsewhere"),
    )
    assert wire.end_to_end(head) == tuple((n.decode(), v.decode()) for n, v in head)


def test_what_is_of_one_connection_stays_there() -> None:
    assert not names(
        (b"Connection", b"close"),
        (b"KEEP-ALIVE", b"timeout=5"),
        (b"Proxy-Authenticate", b"Basic"),
        (b"Proxy-Authentication-Info", b"x"),
        (b"Proxy-Connection", b"close"),
        (b"TE", b"trailers"),
        (b"Trailer", b"Expires"),
        (b"Transfer-Encoding", b"chunked"),
        (b"Upgrade", b"h2c"),
        (b"Content-Length", b"12"),
    )


def test_what_connection_names_stays_too() -> None:
    head = ((b"X-Hop", b"1"), (b"Connection", b"close, x-HOP"), (b"X-End", b"2"), (b"close", b""))
    assert names(*head) == ["X-End"]


def test_a_value_is_read_as_utf_8_or_else_as_latin_1() -> None:
    head = ((b"X-One", "é".encode()), (b"X-Two", "é".encode("latin-1")))
    assert wire.end_to_end(head) == (("X-One", "é"), ("X-Two", "é"))
