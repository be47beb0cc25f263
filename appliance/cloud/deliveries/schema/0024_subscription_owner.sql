-- Whose a subscription is. Written by cloud/deliveries/store.py alone.

ALTER TABLE subscriptions ADD COLUMN owner TEXT NOT NULL DEFAULT ''; -- client:NAME or token:ID of a client; '': of the service
