"""The search for hyper-parameters: a grid, rungs, a ledger that is the truth, and workers that may die at any moment."""
