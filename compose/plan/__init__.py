"""Decisions: what a project wants, and what an engine has → operations. Nothing here does I/O."""
