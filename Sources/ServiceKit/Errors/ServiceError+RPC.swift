package import RPC

extension ServiceError: RPCErrorConvertible {
  package var rpcError: RPCError {
    RPCError(reason.entry.code, message)
  }
}
