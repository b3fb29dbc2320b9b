// Operator: to come.
