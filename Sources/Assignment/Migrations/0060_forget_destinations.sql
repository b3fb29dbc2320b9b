-- Who is to receive a callback stands in the outbox since 0055, and no daemon that knows that writes or reads this.
ALTER TABLE callback DROP COLUMN destination;
