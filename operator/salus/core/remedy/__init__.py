"""What is done about a breach: the next rung, the life of a change, approvals, whether it helped."""
