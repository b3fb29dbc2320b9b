// HandoffTestKit: to come.
