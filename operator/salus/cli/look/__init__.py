"""What people look at: state, history and reasons, read from objects of the cluster as the person who asks."""
