"""Frames to incidents: gate, detect, track, rules, evidence."""
