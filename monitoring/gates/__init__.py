"""Gates: artefacts that look like a decline, each judged with its figures before an alert leaves."""
