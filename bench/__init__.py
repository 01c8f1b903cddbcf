"""Measurements. Not proofs: the figures depend on the machine, its disk above all."""
