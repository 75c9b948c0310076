"""Programs in AWS Lambda."""
