// Gateway: to come.
