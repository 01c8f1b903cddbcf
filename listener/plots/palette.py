"""The one palette: tones by what they mean, as CSS custom properties that light and dark set.

Told apart without red and green, too; and no plot tells by its colour alone.
"""

from __future__ import annotations

from enum import StrEnum

from listener.core.names import Outcome


class Tone(StrEnum):
    """What a colour says."""

    GOOD = "good"
    UNSURE = "unsure"
    BAD = "bad"
    QUIET = "quiet"
    PLAIN = "plain"


_OF_OUTCOME = {
    Outcome.CONFIRMED: Tone.GOOD,
    Outcome.PRESUMED: Tone.UNSURE,
    Outcome.CANCELLED: Tone.QUIET,
    Outcome.SUPERSEDED: Tone.QUIET,
}


def tone_of(outcome: str) -> Tone:
    """An outcome's tone; a word that is none is nothing good."""
    try:
        return _OF_OUTCOME.get(Outcome(outcome), Tone.BAD)
    except ValueError:
        return Tone.BAD


_LIGHT = (
    "--plot-good:#0b7a5c;--plot-unsure:#b97700;--plot-bad:#c2382b;--plot-quiet:#8b93a1;"
    "--plot-plain:#2f6db5;--plot-ink:#1d2430;--plot-faint:#5d6675;--plot-grid:#e3e6eb;"
    "--plot-lane:#eff1f4"
)
_DARK = (
    "--plot-good:#37c39a;--plot-unsure:#f0b23f;--plot-bad:#ff7a6b;--plot-quiet:#78818f;"
    "--plot-plain:#73b1f5;--plot-ink:#e6eaf0;--plot-faint:#9aa4b2;--plot-grid:#2b323d;"
    "--plot-lane:#222933"
)

STYLE = (
    f":root{{color-scheme:light dark;{_LIGHT}}}"
    f"@media(prefers-color-scheme:dark){{:root{{{_DARK}}}}}"
    ".plot{display:block;width:100%;font:12px/1 system-ui,sans-serif;"
    "font-variant-numeric:tabular-nums}"
    ".plot text{fill:var(--plot-faint)}"
    ".plot .ink{fill:var(--plot-ink)}"
    ".plot .end{text-anchor:end}.plot .mid{text-anchor:middle}"
    ".plot .grid{stroke:var(--plot-grid)}"
    ".plot .lane{fill:var(--plot-lane)}"
    ".plot .mark{stroke:var(--plot-ink);stroke-dasharray:2 3}"
    ".plot .line{fill:none;stroke-width:1.75;vector-effect:non-scaling-stroke}"
    + "".join(
        f".plot .{tone}{{fill:var(--plot-{tone})}}.plot .line.{tone}{{fill:none;"
        f"stroke:var(--plot-{tone})}}"
        for tone in Tone
    )
    + "@media(max-width:34em){.plot .fine{display:none}}"
)
"""What a page's style sheet holds for plots to be seen."""
