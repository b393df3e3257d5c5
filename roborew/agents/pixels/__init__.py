"""Agents that see pictures: how an observation lies in memory, how it becomes features.

`layout`         an observation, with or without pictures, as one row of an array
`encoder`        pictures to features, and the networks of our agents with them in front
`random_shift`   the augmentation of DrQ-v2
`replay_buffer`  a replay that keeps each frame once
"""
