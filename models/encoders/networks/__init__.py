"""Networks: each architecture in one legible file, with the parameter names of the published checkpoints."""
