// HandoffAPI: to come.
