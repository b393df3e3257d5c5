"""Rewards learned from demonstration videos: encoders, objectives, fitting, and the critic that
pays an agent."""
