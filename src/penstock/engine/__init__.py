"""Load, batch and run models inside one process. Start with engine.py, then model.py and deployment.py."""
