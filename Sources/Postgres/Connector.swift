internal import CLibpq
internal import EventLoop
import Glibc

/// One attempt to connect, on a loop: names are resolved on the blocking pool, the rest never blocks. Loop-confined.
final class Connector {
  private let configuration: PostgresConfiguration
  private let loop: EventLoop
  private let completion: (Result<OpaquePointer, PostgresError>) -> Void
  private var connection: OpaquePointer?
  private var watch: Watch?
  private var timer: LoopTimer?
  private var isDone = false

  /// Starts an attempt; `completion` is called once, on the loop, with a connection in pipeline mode or an error.
  static func start(
    _ configuration: PostgresConfiguration, _ loop: EventLoop, _ blocking: BlockingPool,
    _ completion: @escaping (Result<OpaquePointer, PostgresError>) -> Void
  ) {
    let connector = Connector(configuration, loop, completion)
    connector.timer = loop.schedule(after: configuration.connectTimeout) {
      connector.fail(PostgresError(kind: .connectFailed, sqlState: "08001", message: "the attempt took too long"))
    }
    connector.resolve(blocking)
  }

  private init(
    _ configuration: PostgresConfiguration, _ loop: EventLoop,
    _ completion: @escaping (Result<OpaquePointer, PostgresError>) -> Void
  ) {
    self.configuration = configuration
    self.loop = loop
    self.completion = completion
  }

  private func resolve(_ blocking: BlockingPool) {
    let conninfo: ConnectionInfo
    do { conninfo = try ConnectionInfo(configuration.conninfo) } catch { return fail(error) }
    guard conninfo.needsResolution else { return begin(conninfo, addresses: nil) }
    let bound = LoopBound(self, loop)
    Task(executorPreference: loop) {
      let addresses = try? await blocking.run { conninfo.resolve() }
      bound.value.begin(conninfo, addresses: addresses ?? nil)
    }
  }

  private func begin(_ conninfo: ConnectionInfo, addresses: ConnectionInfo.Addresses?) {
    guard !isDone else { return }
    if conninfo.needsResolution, addresses == nil {
      return fail(PostgresError(kind: .connectFailed, sqlState: "08001", message: "the host's name has no address"))
    }
    let parameters = conninfo.parameters(configuration, addresses)
    connection = parameters.withCStrings { keywords, values in PQconnectStartParams(keywords, values, 1) }
    guard let connection, PQstatus(connection) != CONNECTION_BAD else { return failWithConnection() }
    // Notices go nowhere: libpq would print them.
    PQsetNoticeReceiver(connection, { _, _ in }, nil)
    wait(for: .write)
  }

  // libpq may close its socket and open another between polls, so that the watch is made anew each time.
  private func wait(for interest: IOInterest) {
    guard let connection else { return }
    let socket = PQsocket(connection)
    guard socket >= 0 else { return failWithConnection() }
    watch = loop.watch(socket, interest) { _ in self.poll() }
  }

  private func poll() {
    guard let connection, !isDone else { return }
    watch?.cancel()
    watch = nil
    switch PQconnectPoll(connection) {
    case PGRES_POLLING_READING: wait(for: .read)
    case PGRES_POLLING_WRITING: wait(for: .write)
    case PGRES_POLLING_OK: finish(connection)
    default: failWithConnection()
    }
  }

  private func finish(_ connection: OpaquePointer) {
    guard PQsetnonblocking(connection, 1) == 0, PQenterPipelineMode(connection) == 1 else {
      return failWithConnection()
    }
    self.connection = nil
    end()
    completion(.success(connection))
  }

  private func failWithConnection() {
    guard let connection else {
      return fail(PostgresError(kind: .connectFailed, sqlState: "53200", message: "libpq is out of memory"))
    }
    fail(PostgresError(kind: .connectFailed, sqlState: "08001", connection: connection))
  }

  private func fail(_ error: PostgresError) {
    guard !isDone else { return }
    end()
    if let connection { PQfinish(connection) }
    connection = nil
    completion(.failure(error))
  }

  private func end() {
    isDone = true
    watch?.cancel()
    watch = nil
    timer?.cancel()
    timer = nil
  }
}

/// A connection string taken apart as far as names must be resolved before libpq sees them.
struct ConnectionInfo: Sendable {
  /// Hosts, addresses and ports of equal number, as libpq takes them.
  struct Addresses: Sendable {
    var hosts: [String] = []
    var addresses: [String] = []
    var ports: [String] = []
  }

  private let conninfo: String
  private var settings: [String: String] = [:]

  init(_ conninfo: String) throws(PostgresError) {
    self.conninfo = conninfo
    var complaint: UnsafeMutablePointer<CChar>?
    guard let options = PQconninfoParse(conninfo, &complaint) else {
      // The complaint may quote the password: it is dropped.
      PQfreemem(complaint)
      throw PostgresError(kind: .connectFailed, sqlState: "08001", message: "the connection string is malformed")
    }
    defer { PQconninfoFree(options) }
    var option = options
    while let keyword = option.pointee.keyword {
      let name = String(cString: keyword)
      if let value = option.pointee.val {
        settings[name] = String(cString: value)
      } else if ["host", "hostaddr", "port", "options"].contains(name), let variable = option.pointee.envvar {
        settings[name] = getenv(variable).map { String(cString: $0) }
      }
      option += 1
    }
  }

  private func list(_ name: String) -> [String] {
    guard let value = settings[name], !value.isEmpty else { return [] }
    return value.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
  }

  /// Whether a host is a name: neither a socket's path nor an address.
  var needsResolution: Bool {
    list("hostaddr").isEmpty && list("host").contains { !Self.isPath($0) && !Self.isAddress($0) }
  }

  /// Resolves the names; blocks. Nil when no host has an address.
  func resolve() -> Addresses? {
    let ports = list("port")
    var found = Addresses()
    for (index, host) in list("host").enumerated() {
      let port = ports.count > 1 ? (index < ports.count ? ports[index] : "") : ports.first ?? ""
      let addresses = Self.isPath(host) ? [""] : Self.addresses(of: host)
      for address in addresses {
        found.hosts.append(host)
        found.addresses.append(address)
        found.ports.append(port)
      }
    }
    return found.hosts.isEmpty ? nil : found
  }

  /// The parameters for `PQconnectStartParams` with `expand_dbname`: later ones win over the string's.
  func parameters(_ configuration: PostgresConfiguration, _ addresses: Addresses?) -> ConnectionParameters {
    var parameters = ConnectionParameters()
    parameters.add("dbname", conninfo)
    if let addresses {
      parameters.add("host", addresses.hosts.joined(separator: ","))
      parameters.add("hostaddr", addresses.addresses.joined(separator: ","))
      parameters.add("port", addresses.ports.joined(separator: ","))
    }
    // Kerberos would add a round trip and block.
    if settings["gssencmode"] == nil { parameters.add("gssencmode", "disable") }
    // An idle connection (LISTEN) must notice within a minute that its server is gone.
    for (name, seconds) in [("keepalives_idle", "30"), ("keepalives_interval", "10"), ("keepalives_count", "3")]
    where settings[name] == nil {
      parameters.add(name, seconds)
    }
    if settings["tcp_user_timeout"] == nil { parameters.add("tcp_user_timeout", "60000") }
    if settings["application_name"] == nil { parameters.add("application_name", configuration.applicationName) }
    parameters.add("client_encoding", "UTF8")
    let given = settings["options"].map { $0 + " " } ?? ""
    parameters.add("options", given + configuration.serverOptions)
    return parameters
  }

  private static func isPath(_ host: String) -> Bool { host.isEmpty || host.hasPrefix("/") || host.hasPrefix("@") }

  private static func isAddress(_ host: String) -> Bool {
    var address = in6_addr()
    return inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1
  }

  private static func addresses(of host: String) -> [String] {
    var hints = addrinfo()
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    var list: UnsafeMutablePointer<addrinfo>?
    guard getaddrinfo(host, nil, &hints, &list) == 0 else { return [] }
    defer { freeaddrinfo(list) }
    var addresses: [String] = []
    var next = list
    while let info = next {
      var name = [CChar](repeating: 0, count: Int(NI_MAXHOST))
      let length = socklen_t(name.count)
      if getnameinfo(info.pointee.ai_addr, info.pointee.ai_addrlen, &name, length, nil, 0, NI_NUMERICHOST) == 0 {
        addresses.append(String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self))
      }
      next = info.pointee.ai_next
    }
    return addresses
  }
}

/// Keywords and values for libpq.
struct ConnectionParameters {
  private var keywords: [String] = []
  private var values: [String] = []

  mutating func add(_ keyword: String, _ value: String) {
    keywords.append(keyword)
    values.append(value)
  }

  func withCStrings<Result>(
    _ body: (UnsafePointer<UnsafePointer<CChar>?>, UnsafePointer<UnsafePointer<CChar>?>) -> Result
  ) -> Result {
    let keywordCopies = keywords.map { strdup($0) }
    let valueCopies = values.map { strdup($0) }
    defer { for copy in keywordCopies + valueCopies { free(copy) } }
    return body(
      keywordCopies.map { UnsafePointer($0) } + [nil], valueCopies.map { UnsafePointer($0) } + [nil])
  }
}
