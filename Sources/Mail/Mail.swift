// Mail: to come.
