"""What answers clients: gRPC, HTTP, and the server that assembles them around an engine."""
