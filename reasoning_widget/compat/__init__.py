"""Seams: the places that rely on private parts of other projects.

Each file names the versions that it supports. A canary test fails when a new version breaks it.
"""
