"""What is to blame for a breach, and what is not."""
