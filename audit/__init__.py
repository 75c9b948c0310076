"""Reads back what was registered and recomputes who can reach whom, layer by layer.

It shares no code with what made the resources: evaluators read policies as Cilium, Kubernetes, Istio and AWS do, and
the expectation comes from the declaration alone. ``actors`` says which resource is which declared thing; ``audit``
compares.
"""
