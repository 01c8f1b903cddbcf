"""``python -m listener.emulator``."""

from listener.emulator.command import emulate

if __name__ == "__main__":
    emulate(prog_name="emulate")
