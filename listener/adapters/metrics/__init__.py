"""Figures for Prometheus: what was counted, and what is looked up at each scrape."""

from .counts import Counts
from .figures import Machine
from .loop_lag import LoopLag
from .scrape import Build, Metrics

__all__ = ["Build", "Counts", "LoopLag", "Machine", "Metrics"]
