"""Small embedded tasks whose truth is known exactly, so that a reward model can be held against
it."""
