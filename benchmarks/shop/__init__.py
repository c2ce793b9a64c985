"""What a request to the live shop costs beside one that does nothing."""
