"""What the HTTP interfaces of both sides share."""
