"""n2nfun beside torch.nn, JAX and the machine's matrix products: ``python -m examples.benchmark --help``."""
