"""Programs that run as functions of AWS Lambda. They import nothing of the project but one another; what they import
beside the libraries of Lambda's runtime is packed with them."""
