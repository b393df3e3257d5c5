"""Reward models as their authors released them: weights with heads of their own."""
