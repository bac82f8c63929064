"""A trained model, loaded, measured and exported."""
