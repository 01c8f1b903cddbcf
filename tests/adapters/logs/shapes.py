"""How a code may stand in a text: each way that a library of ours, or Python, writes it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from urllib.parse import quote, quote_plus

from yarl import URL

Encode = Callable[[str], str]


def lower_hex(text: str) -> str:
    return re.sub("%..", lambda found: found[0].lower(), quote(text, safe=""))


ENCODINGS: dict[str, Encode] = {
    "plain": lambda text: text,
    "percent": lambda text: quote(text, safe=""),
    "percent, lower case": lower_hex,
    "percent, slashes left": quote,
    "percent, as a path": lambda text: quote(text, safe="/!$&'()*+,;=:@"),
    "percent, all of it": lambda text: "".join(f"%{byte:02X}" for byte in text.encode()),
    "form": quote_plus,
    "yarl": lambda text: URL(f"http://h/{quote(text, safe='')}").raw_path[1:],
    "json": lambda text: json.dumps(text)[1:-1],
    "json, unicode left": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "json, slashes escaped": lambda text: json.dumps(text)[1:-1].replace("/", "\\/"),
    "repr": lambda text: repr(text)[1:-1],
    # Python takes double quotes for what holds a single one, and no double one.
    "repr in double quotes": lambda text: repr(text if '"' in text else text + "'")[
        1 : -1 if '"' in text else -2
    ],
    "ascii": lambda text: ascii(text)[1:-1],
    "bytes": lambda text: repr(text.encode())[2:-1],
}


def shapes(code: str) -> set[str]:
    """Encoded not at all, once and twice."""
    once = {encode(code) for encode in ENCODINGS.values()}
    return once | {encode(one) for one in once for encode in ENCODINGS.values()}
