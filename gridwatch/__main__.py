"""`python -m gridwatch`."""

from gridwatch.app.cli import main

if __name__ == "__main__":
    main()
