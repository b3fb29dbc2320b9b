// Crypto: to come.
