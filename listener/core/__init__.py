"""The pure core: values and decisions. No I/O, no clock, no await, standard library only."""
