"""The ways in: routes and certificates, the public API, the site."""
