// ServiceKit: to come.
