// RPCProtos: to come.
