"""What type checkers accept and reject, in the sources and in the installed wheel, and that run time agrees."""
