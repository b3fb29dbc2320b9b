// Postgres: to come.
