import RPC

/// The cluster that the demo runs against.
struct DemoPlace: Sendable {
  /// Where gRPC goes.
  let gateway: RPCTarget
  /// Where JSON goes: a URL without a path.
  let edge: String
  /// The certificates of the cluster; nil where only an edge without TLS is known.
  let certificates: ClusterCertificates?
  /// The path of the file with the people's passwords.
  let signIns: String
  /// Where mails can be read; nil when they are out of reach.
  let mails: DemoMails?
  /// The URL of the fake Dooray! that runs beside the cluster; nil: none does.
  var dooray: String?
  /// Whether the demo sets it up.
  var connectsDooray = false
  /// Where to look when a step fails.
  let advice: String

  /// The cluster that `--edge` points to, else the one that runs in `--data`.
  ///
  /// - Throws: `OperatorError` that says what is missing.
  init(_ arguments: Arguments) throws(OperatorError) {
    if let edge = arguments.texts[.edge] {
      try self.init(edge: edge, arguments)
    } else {
      try self.init(running: arguments)
    }
  }

  private init(running arguments: Arguments) throws(OperatorError) {
    let elsewhere = arguments.texts.keys.filter { $0 != .mails }
    guard elsewhere.isEmpty else {
      let options = elsewhere.map(\.rawValue).sorted().joined(separator: ", ")
      throw .usage("\(options): that is for a cluster elsewhere", advice: "Name it with --edge URL.")
    }
    guard let directory = try DataDirectory.existing(arguments.data) else {
      throw OperatorError(
        "there is no cluster in \(DataDirectory.absolutePath(arguments.data))",
        advice: "Start one in another terminal: handoff up")
    }
    let addresses = try ClusterAddresses.ofRunning(directory)
    guard let port = addresses.port(of: ClusterPlan.gatewayName), let edge = addresses[ClusterPlan.edgeName] else {
      throw OperatorError("the addresses of the cluster are not known", advice: "Start it again: handoff up")
    }
    gateway = .tcp("127.0.0.1", port)
    certificates = directory.certificates
    self.edge = edge
    signIns = directory.signIns
    mails = (arguments.texts[.mails] ?? addresses["mail-directory"]).map { DemoMails($0) }
    dooray = addresses[FakeDooray.name]
    advice = "What the daemons say about it: \(directory.requested)/logs. State of the cluster: handoff doctor"
  }

  /// Everything goes through the edge, which takes gRPC, too.
  private init(edge: String, _ arguments: Arguments) throws(OperatorError) {
    guard let target = Self.target(of: edge) else {
      throw .usage("--edge is \"\(edge)\"", advice: "It takes a URL such as http://127.0.0.1:8080.")
    }
    guard edge.hasPrefix("https:") == (arguments.texts[.certificates] != nil) else {
      throw .usage(
        "an edge with TLS and --certificates belong together",
        advice: "For example: --edge https://127.0.0.1:8443 --certificates /srv/handoff/tls")
    }
    guard let signIns = arguments.texts[.signIns] else {
      throw .usage("--edge needs --sign-ins", advice: "Name the file that `handoff seed` wrote: --sign-ins FILE.")
    }
    gateway = target
    certificates = arguments.texts[.certificates].map { ClusterCertificates(directory: $0, owner: .current) }
    self.edge = edge.hasSuffix("/") ? String(edge.dropLast()) : edge
    self.signIns = signIns
    mails = arguments.texts[.mails].map { DemoMails($0) }
    dooray = arguments.texts[.dooray].flatMap { $0 == "none" ? nil : $0 }
    connectsDooray = dooray != nil
    advice = "See the logs of that cluster's daemons."
  }

  /// Host and port of `http://host:port` or `https://host:port`; nil for anything else.
  static func target(of url: String) -> RPCTarget? {
    guard let scheme = ["http://", "https://"].first(where: url.hasPrefix) else { return nil }
    var authority = url.dropFirst(scheme.utf8.count)
    if authority.last == "/" { authority.removeLast() }
    guard !authority.contains("/"), !authority.contains("@"), !authority.hasSuffix(":0") else { return nil }
    return RPCTarget(parsing: String(authority))
  }
}
