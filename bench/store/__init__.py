"""How fast the store records and answers."""
