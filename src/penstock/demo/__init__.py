"""``penstock demo``: a model trained on census data, served and swapped under load. Read next: story.py."""
