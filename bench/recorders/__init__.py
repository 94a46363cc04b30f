"""What a second recorder costs."""
