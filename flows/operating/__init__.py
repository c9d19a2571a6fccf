"""Operating: is everything there, how does it stand, what does it take on disk, whom to tell, when to run."""
