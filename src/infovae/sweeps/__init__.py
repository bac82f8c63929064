"""Many runs from one command: job folders, resuming, searches."""
