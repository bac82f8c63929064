"""What a trained model is for: encode, generate, interpolate, find, explore, share. One file per command."""
