"""A reward that another process or machine computes: `roborew serve` there, ``--reward http://...``
here."""
