"""Grids from GeoJSON: checked, shown, imported."""
