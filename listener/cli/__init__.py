"""The command line: what people and scripts call. Commands are loaded when they are called."""
