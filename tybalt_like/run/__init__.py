"""From a recipe to the folder of a finished run: what every kind of run goes through."""
