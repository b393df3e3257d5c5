"""Poses of Gymnasium's humanoid."""
