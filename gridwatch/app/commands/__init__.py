"""Commands over the broker: who may ask, what was asked already, and carrying it out."""
