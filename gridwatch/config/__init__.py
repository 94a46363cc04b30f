"""Typed settings and the site tree, from one YAML."""
