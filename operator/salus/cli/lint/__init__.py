"""What `salus lint` finds: rules as pure functions of a policy and of answers, and who asks for these."""
