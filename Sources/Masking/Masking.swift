// Masking: to come.
