"""What the graph of calls becomes: policies at each layer, routing, timeouts."""
