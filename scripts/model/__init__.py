"""How the packaged weights are made and checked (docs/model.md)."""
