"""Searching: better settings than a preset's, by trials measured on validation examples."""
