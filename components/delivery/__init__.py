"""Images and those who build and deploy them."""
