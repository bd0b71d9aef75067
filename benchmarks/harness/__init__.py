"""What the comparisons share: the data, the contestants, how they are run and measured, and what is told of it."""
