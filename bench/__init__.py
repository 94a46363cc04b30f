"""What the program costs, against a floor measured in the same run: `python -m bench.NAME [--quick] [--json FILE]`."""
