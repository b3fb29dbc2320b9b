// HTTP2: to come.
