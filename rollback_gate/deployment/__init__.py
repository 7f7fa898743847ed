"""What runs where: engine, Compose project, replicas, strategy."""
