"""A graph as a torch module, its quantizers trainable, and the loop that trains it."""
