"""The one contract that every descriptor with every regressor keeps; see cells.py to add one."""
