"""The ``penstock`` command: one file a command. Read next: main.py."""
