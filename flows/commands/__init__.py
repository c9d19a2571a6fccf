"""The commands of `underwood`, one room each: running, looking, modelling, operating."""
