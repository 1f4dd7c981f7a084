"""Seams into other people's code. Each file says which versions it is for; a test fails when they change."""
