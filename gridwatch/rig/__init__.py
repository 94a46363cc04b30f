"""Recorded files to virtual ONVIF cameras, for demo, tests and integrators."""
