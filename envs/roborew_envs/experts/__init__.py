"""Scripted behaviors, pretrained policies, and the grading of what they did."""
