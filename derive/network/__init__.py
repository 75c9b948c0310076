"""Networks of a deployment: addresses, subnets and routes, security groups."""
