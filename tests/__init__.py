"""Tests of gridwatch; packages mirror the program."""
