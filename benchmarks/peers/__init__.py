"""Other monitoring packages, each with an interpreter of its own; scripts that measure them in turns."""
