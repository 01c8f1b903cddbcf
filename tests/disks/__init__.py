"""Disks that fill, fail, forget and vanish under the whole daemon: each with its end."""
