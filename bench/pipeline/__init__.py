"""Cameras per core: the whole way from camera to incident, beside two other ways."""
