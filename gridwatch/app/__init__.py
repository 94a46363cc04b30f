"""The program: command line, wiring, supervision, demo."""
