"""Mechanisms that every assignment leans on; names no assignment."""
