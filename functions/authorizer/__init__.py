"""The authorizer of an API: says whether a token lets its bearer in."""
