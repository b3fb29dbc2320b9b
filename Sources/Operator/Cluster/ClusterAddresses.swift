/// Where the running cluster is reached; kept in the data directory for `handoff demo` and `handoff doctor`.
struct ClusterAddresses: Sendable, Equatable {
  /// `edge http://127.0.0.1:8080`, `edge-tls https://127.0.0.1:8443`, `tickets 127.0.0.1:7101` with `tickets-admin
  /// http://127.0.0.1:7201`, `tickets-2 …` for a second copy, `fake-dooray http://…`, `mail-directory /…`, in this
  /// order.
  private(set) var lines: [(name: String, value: String)]

  static func == (left: ClusterAddresses, right: ClusterAddresses) -> Bool { left.text == right.text }

  /// The addresses of a cluster on these ports; `mailDirectory` is nil when mails leave through SMTP.
  init(_ ports: ClusterPorts, _ copies: ClusterCopies = ClusterCopies(), mailDirectory: String?) {
    lines = [
      (ClusterPlan.edgeName, "http://127.0.0.1:\(ports[ClusterPlan.edgeName])"),
      (ClusterPlan.secureEdgeName, "https://127.0.0.1:\(ports[ClusterPlan.secureEdgeName])"),
    ]
    for copy in ClusterPlan.copies(copies) {
      lines.append((copy.name, "127.0.0.1:\(ports[copy.name])"))
      lines.append((copy.adminName, "http://127.0.0.1:\(ports[copy.adminName])"))
    }
    if ports.contains(FakeDooray.name) { lines.append((FakeDooray.name, FakeDooray.url(ports))) }
    if let mailDirectory { lines.append(("mail-directory", mailDirectory)) }
  }

  /// Reads what `text` says.
  init(text: String) {
    lines = text.split(separator: "\n").compactMap { line in
      let parts = line.split(separator: " ", maxSplits: 1)
      return parts.count == 2 && !line.hasPrefix("#") ? (String(parts[0]), String(parts[1])) : nil
    }
  }

  /// The file's text.
  var text: String {
    "# Where this cluster is reached; written by handoff up at every start.\n"
      + lines.map { "\($0.name) \($0.value)\n" }.joined()
  }

  /// Those that answer health checks: every copy of a daemon, and the edge with both its ports.
  var servers: [(name: String, port: UInt16)] {
    lines.compactMap { line in
      guard !line.name.hasSuffix("-admin"), line.name != FakeDooray.name, let port = port(of: line.name) else {
        return nil
      }
      return (line.name, port)
    }
  }

  subscript(name: String) -> String? { lines.first { $0.name == name }?.value }

  /// The port in the address of `name`.
  func port(of name: String) -> UInt16? {
    self[name].flatMap { value in value.lastIndex(of: ":").flatMap { UInt16(value[value.index(after: $0)...]) } }
  }

  /// The addresses of the cluster that runs in `directory`.
  ///
  /// - Throws: `OperatorError` that says how to start one.
  static func ofRunning(_ directory: DataDirectory) throws(OperatorError) -> ClusterAddresses {
    guard InstanceLock.runningProcess(directory) != nil, let text = try PrivateFile.read(directory.addresses) else {
      throw OperatorError(
        "no cluster runs in \(directory.requested)", advice: "Start it in another terminal: handoff up")
    }
    return ClusterAddresses(text: text)
  }
}
