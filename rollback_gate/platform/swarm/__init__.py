"""Docker Swarm: what its manager tells of services and tasks. docs/decisions/0016-swarm.md says what was observed."""
