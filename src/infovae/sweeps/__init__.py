"""Many runs from one command: what their folder tells, how they go on, what a search aims at."""
