"""Doing what plans say, on an engine."""
