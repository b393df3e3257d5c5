"""Errors of this package."""

from __future__ import annotations


class RenderError(ValueError):
    """A frame cannot be drawn as asked: unknown camera or quality, impossible size, no OpenGL."""
