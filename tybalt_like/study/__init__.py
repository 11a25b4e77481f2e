"""Many trainings of one recipe: jobs, the store of those that are done, sweeps, comparisons."""
