"""Tests of where arrays live and where random numbers come from."""
