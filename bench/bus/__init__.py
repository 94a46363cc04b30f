"""What our way over the broker costs: from outbox to subscriber, beside paho alone on the same broker."""
