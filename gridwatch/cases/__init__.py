"""Incidents to grid cases: correlate, six steps, clocks."""
