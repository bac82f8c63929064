"""What `module.py` is built on: networks and densities, which of them go together, and how a step is taken."""
