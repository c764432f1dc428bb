"""What people and CI run beside Salus itself: clusters to try it on, what writes generated files, the whole suite."""
