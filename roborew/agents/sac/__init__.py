"""Soft actor-critic of our own, with demonstrations in its replay where there are any."""
