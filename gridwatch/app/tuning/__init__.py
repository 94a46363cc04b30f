"""Tuning by looking: what was seen, tracked and thought, picture by picture, as a page and as pictures."""

from gridwatch.app.tuning.command import TuneOptions, run_tune

__all__ = ["TuneOptions", "run_tune"]
