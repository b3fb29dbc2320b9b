import Glibc

/// The loopback ports of a cluster, by the name of who listens: `edge`, `gateway`, `tickets-admin`.
struct ClusterPorts: Sendable, Equatable {
  private var numbers: [String: UInt16] = [:]
  /// Ports that were taken by somebody else, so that another one was chosen.
  private(set) var moved: [(name: String, from: UInt16)] = []

  static func == (left: ClusterPorts, right: ClusterPorts) -> Bool { left.numbers == right.numbers }

  /// Chooses a free port for everybody: the usual one, or any when that is taken.
  ///
  /// - Parameter edge: The edge's port that the person asked for; 0 for any port for everybody, so that clusters that
  ///   start at the same time do not choose the same ones; nil for the usual one.
  /// - Throws: `OperatorError` when the port asked for is taken.
  static func choose(edge: UInt16?) throws(OperatorError) -> ClusterPorts {
    var ports = ClusterPorts()
    for daemon in ClusterPlan.daemons {
      try ports.take(edge == 0 ? 0 : daemon.port, for: daemon.name)
      try ports.take(edge == 0 ? 0 : daemon.port + ClusterPlan.adminOffset, for: "\(daemon.name)-admin")
    }
    if let edge {
      guard isFree(edge) else {
        throw OperatorError(
          "port \(edge) is in use by another program",
          advice: "Name another one with --port, or --port 0 for any that is free.")
      }
      try ports.take(edge, for: ClusterPlan.edgeName)
    } else {
      try ports.take(ClusterPlan.edgePort, for: ClusterPlan.edgeName)
    }
    return ports
  }

  /// The port of `name`; everybody of the plan has one.
  subscript(name: String) -> UInt16 {
    guard let number = numbers[name] else { preconditionFailure("\(name) is not in the cluster's plan") }
    return number
  }

  private mutating func take(_ wanted: UInt16, for name: String) throws(OperatorError) {
    if wanted != 0, !numbers.values.contains(wanted), Self.isFree(wanted) {
      numbers[name] = wanted
      return
    }
    // The system gives the same port twice when the first is not bound yet, so try until it is a new one.
    for _ in 0..<100 {
      guard let port = Self.bind(0) else { break }
      if !numbers.values.contains(port) {
        numbers[name] = port
        if wanted != 0 { moved.append((name, wanted)) }
        return
      }
    }
    throw OperatorError("there is no free port on 127.0.0.1")
  }

  /// Whether nobody listens on the port.
  static func isFree(_ port: UInt16) -> Bool { port == 0 || bind(port) != nil }

  private static func bind(_ port: UInt16) -> UInt16? {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    // As the daemons do: connections of an earlier run that linger do not hold the port.
    var on: Int32 = 1
    setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let bound = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        Glibc.bind(descriptor, address, length) == 0 && listen(descriptor, 1) == 0
          && getsockname(descriptor, address, &length) == 0
      }
    }
    return bound ? UInt16(bigEndian: address.sin_port) : nil
  }
}
