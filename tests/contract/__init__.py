"""The one contract that every descriptor with every regressor keeps; entries.py to add one."""
