"""The users' own ground: what to make of each event heard, and what to do on each outcome.

A room here imports ``listener.ports`` and ``listener.core``, nothing else of the project.
"""
