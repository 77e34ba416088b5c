"""The course report's search, run whole, and what it found."""
