"""gridwatch: public-area cameras to handled work. Incidents, not identities."""

__version__ = "0.1.0"
