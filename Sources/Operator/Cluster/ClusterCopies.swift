/// How many copies of each daemon a local cluster runs.
struct ClusterCopies: Sendable, Equatable {
  /// More of one daemon would only share the same machine's cores.
  static let copiesMax = 16

  private var counts: [String: Int] = [:]

  /// One of each.
  init() {}

  /// Reads `tickets=3,mail=2`; a daemon that is not named has one.
  init(_ text: String) throws(OperatorError) {
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      let words = part.split(separator: "=", omittingEmptySubsequences: false).map(String.init)
      guard words.count == 2, ClusterPlan.daemons.contains(where: { $0.name == words[0] }), counts[words[0]] == nil,
        let count = Int(words[1]), (1...Self.copiesMax).contains(count)
      else {
        throw .usage(
          "--copies has \"\(part)\"",
          advice: "It takes daemons and 1 to \(Self.copiesMax) copies of each: --copies tickets=3,mail=2")
      }
      counts[words[0]] = count
    }
  }

  /// The copies of a daemon.
  subscript(daemon: ClusterPlan.Daemon) -> Int { counts[daemon.name] ?? 1 }
}

extension ClusterPlan {
  /// A process of a daemon.
  struct Copy: Sendable {
    let daemon: Daemon
    /// From 1.
    let number: Int

    /// The name of its port, its log and its line among the addresses: `tickets`, `tickets-2`.
    var name: String { number == 1 ? daemon.name : "\(daemon.name)-\(number)" }
    var adminName: String { "\(name)-admin" }
    /// Where the first copy listens unless that port is taken; the others listen anywhere.
    var port: UInt16 { number == 1 ? daemon.port : 0 }
  }

  /// Every process, in the order in which they are started.
  static func copies(_ counts: ClusterCopies) -> [Copy] { daemons.flatMap { copies(of: $0, counts) } }

  /// The processes of a daemon.
  static func copies(of daemon: Daemon, _ counts: ClusterCopies) -> [Copy] {
    (1...counts[daemon]).map { Copy(daemon: daemon, number: $0) }
  }

  /// The daemon, or the edge, that a name among the addresses belongs to: `tickets` of `tickets-2`.
  static func process(of name: String) -> String {
    if name == secureEdgeName { return edgeName }
    return String(name.prefix { $0 != "-" })
  }
}
