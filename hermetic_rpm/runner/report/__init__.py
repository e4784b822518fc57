"""``hermetic-rpm report``: what a build was made of and what came out, as one page of HTML that needs nothing else."""
