"""Codes that went wrong somewhere, or could (``tests/corpus/codes.json``): those that are valid
must each arrive unchanged."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.corpus import rows as corpus

DOCUMENTED = "Cv9E#nH4$xTz8!pY2aW^mK6rL"
DOCUMENTED_ON_THE_WIRE = "Cv9E%23nH4%24xTz8%21pY2aW%5EmK6rL"

CODES = tuple(row.code for row in corpus.CODES if row.wire is not None)
REFUSED = tuple((row.code, row.refused) for row in corpus.CODES if row.refused is not None)

codes = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=60).filter(
    lambda text: text not in (".", "..") and len(text.encode()) <= 256
)
"""Any valid code."""
