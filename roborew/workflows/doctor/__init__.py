"""``roborew doctor``: can this machine, a reward and its judge do their work?"""
