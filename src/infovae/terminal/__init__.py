"""What the terminal shows: tables, progress bars, and commands to type."""
