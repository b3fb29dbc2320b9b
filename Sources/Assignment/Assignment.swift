// Assignment: to come.
