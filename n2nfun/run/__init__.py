"""Training runs: from settings to a folder with the trained network and all that was seen on the way, and back."""
