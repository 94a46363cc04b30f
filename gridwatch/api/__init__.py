"""HTTP: REST, live stream, authentication, first page."""
