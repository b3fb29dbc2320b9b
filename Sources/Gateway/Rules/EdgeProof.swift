/// How the gateway knows that a connection is the edge's: by its certificate. The edge alone may say where a call came
/// from (`x-forwarded-for`): failed sign-ins are counted by that address, so nobody else must be able to invent one.
package enum EdgeProof {
  /// The name that the edge's certificate is for.
  private static let process = "edge"

  /// The address that a call came from.
  ///
  /// - Parameters:
  ///   - peer: the other end of the connection, `127.0.0.1:50312`, `[::1]:50312` or `unix`.
  ///   - process: whom the connection's certificate is for; nil without one.
  ///   - forwardedFor: the field of that name; its last entry is the edge's own.
  /// - Returns: a numeric address without its port, or `unix`.
  package static func clientAddress(peer: String, process: String?, forwardedFor: String?) -> String {
    if process == Self.process, let forwardedFor {
      let entry = forwardedFor.utf8.split(separator: UInt8(ascii: ",")).last.map { String(Substring($0)) } ?? ""
      let address = entry.filter { $0 != " " }
      if !address.isEmpty { return address }
    }
    return peer.utf8.lastIndex(of: UInt8(ascii: ":")).map { String(peer[..<$0]) } ?? peer
  }

  /// Whether the client's own connection has TLS: the edge tells it of those that come through it, and the gateway
  /// itself takes no other.
  package static func isSecure(process: String?, forwardedProto: String?) -> Bool {
    process != Self.process || forwardedProto == "https"
  }
}
