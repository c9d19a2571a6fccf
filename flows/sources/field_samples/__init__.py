"""Field samples: a table in, believable samples out, and every defect met by a stated rule and counted."""
