"""What is trained, without its training: networks and densities, and which of them go together."""
