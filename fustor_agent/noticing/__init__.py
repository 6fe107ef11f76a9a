"""What a source notices by itself, on its way into the outbox."""
