"""Workers and replicas: launch, handshake, strategy, collectives, and the loss of a worker."""
