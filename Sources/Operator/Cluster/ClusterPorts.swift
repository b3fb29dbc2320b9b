import Glibc

/// The loopback ports of a cluster, by the name of who listens: `edge`, `gateway`, `tickets-admin`.
///
/// Other clusters keep off them for as long as this value lives.
struct ClusterPorts: Sendable, Equatable {
  private var numbers: [String: UInt16] = [:]
  private var claims: [PortClaim] = []
  /// Ports that were taken by somebody else, so that another one was chosen.
  private(set) var moved: [(name: String, from: UInt16)] = []

  static func == (left: ClusterPorts, right: ClusterPorts) -> Bool { left.numbers == right.numbers }

  /// Chooses a free port for everybody: the usual one, or any when that is taken.
  ///
  /// - Parameters:
  ///   - edge: The edge's port that the person asked for; 0 for any port for everybody; nil for the usual one.
  ///   - copies: of each daemon; only the first of them have usual ports.
  ///   - withFakeDooray: whether a fake Dooray! has ports, too.
  /// - Throws: `OperatorError` when the port asked for is taken.
  static func choose(
    edge: UInt16?, copies: ClusterCopies = ClusterCopies(), withFakeDooray: Bool = false
  ) throws(OperatorError) -> ClusterPorts {
    var ports = ClusterPorts()
    for copy in ClusterPlan.copies(copies) {
      let port = edge == 0 ? 0 : copy.port
      try ports.take(port, for: copy.name)
      try ports.take(port == 0 ? 0 : port + ClusterPlan.adminOffset, for: copy.adminName)
    }
    try ports.take(edge == 0 ? 0 : ClusterPlan.secureEdgePort, for: ClusterPlan.secureEdgeName)
    if withFakeDooray {
      try ports.take(edge == 0 ? 0 : FakeDooray.usualPort, for: FakeDooray.name)
      try ports.take(0, for: FakeDooray.filesName)
      try ports.take(0, for: FakeDooray.messengerName)
    }
    guard let edge, edge != 0 else {
      try ports.take(edge ?? ClusterPlan.edgePort, for: ClusterPlan.edgeName)
      return ports
    }
    guard ports.claim(edge, for: ClusterPlan.edgeName) else {
      throw OperatorError(
        "port \(edge) is in use by another program",
        advice: "Name another one with --port, or --port 0 for any that is free.")
    }
    return ports
  }

  /// Whether `name` has a port.
  func contains(_ name: String) -> Bool { numbers[name] != nil }

  /// The port of `name`; everybody of the plan has one.
  subscript(name: String) -> UInt16 {
    guard let number = numbers[name] else { preconditionFailure("\(name) is not in the cluster's plan") }
    return number
  }

  private mutating func take(_ wanted: UInt16, for name: String) throws(OperatorError) {
    if wanted != 0 {
      if claim(wanted, for: name) { return }
      moved.append((name, wanted))
    }
    let range = Self.lasting(outgoing: Self.outgoing)
    for _ in 0..<1000 {
      if claim(.random(in: range), for: name) { return }
    }
    throw OperatorError("there is no free port between \(range.lowerBound) and \(range.upperBound) on 127.0.0.1")
  }

  private mutating func claim(_ port: UInt16, for name: String) -> Bool {
    guard let claim = PortClaim(port), Self.isFree(port) else { return false }
    claims.append(claim)
    numbers[name] = port
    return true
  }

  /// Where a server that was killed finds its port again: outside the range from which the system gives ports to
  /// outgoing connections, one of which could hold it when the server comes back; below that range unless there is too
  /// little room.
  static func lasting(outgoing: ClosedRange<UInt16>) -> ClosedRange<UInt16> {
    // Under 10,000 lie the ports that programs are known by, ours among them.
    let (first, room) = (10_000 as UInt16, 1000 as UInt16)
    if outgoing.lowerBound >= first + room { return first...(outgoing.lowerBound - 1) }
    if outgoing.upperBound <= .max - room { return max(first, outgoing.upperBound + 1)...(.max) }
    // Nearly everything is given out: a port that may be taken is better than none.
    return first...(.max)
  }

  /// The range of ports for outgoing connections; Linux's usual one when it cannot be read.
  private static var outgoing: ClosedRange<UInt16> {
    let text = try? PrivateFile.read("/proc/sys/net/ipv4/ip_local_port_range")
    let numbers = (text ?? "").split { $0.isWhitespace }.compactMap { UInt16($0) }
    guard numbers.count == 2, numbers[0] <= numbers[1] else { return 32_768...60_999 }
    return numbers[0]...numbers[1]
  }

  /// Whether nobody listens on the port.
  static func isFree(_ port: UInt16) -> Bool {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    // As the daemons do: connections of an earlier run that linger do not hold the port.
    var on: Int32 = 1
    setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    return withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        bind(descriptor, address, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0 && listen(descriptor, 1) == 0
      }
    }
  }
}
