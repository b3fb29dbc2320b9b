import Glibc

/// Where one installation keeps all it has: the cluster's data, secrets, keys, logs and mails.
///
/// Everything in it belongs to the user the processes run as, and nobody else can enter.
struct DataDirectory: Sendable, Equatable {
  /// What the person asked for: absolute.
  let requested: String
  /// Where the data really lies; differs from `requested` when the processes' user cannot reach that.
  let path: String
  /// Who owns it and runs the processes.
  let user: ServiceUser

  /// The private PostgreSQL's data.
  var postgres: String { "\(path)/postgres" }
  /// Its Unix socket, when the path is short enough for one.
  var run: String { "\(path)/run" }
  /// Passwords; made again when they are lost.
  var secrets: String { "\(path)/secrets" }
  /// Certificates by which the processes know one another; made again when they are lost.
  var tls: String { "\(path)/tls" }
  /// Keys without which data is lost: they belong into every backup.
  var keys: String { "\(path)/keys" }
  /// What the processes say.
  var logs: String { "\(path)/logs" }
  /// Mails, one `.eml` file each, while no SMTP server is configured.
  var mail: String { "\(path)/mail" }
  /// E-mail addresses and passwords of the demo organization's people.
  var signIns: String { "\(path)/sign-ins.txt" }
  /// The same while nobody has been shown them; the first screen removes it.
  var newSignIns: String { "\(path)/sign-ins-to-show.txt" }
  /// Addresses of the running cluster.
  var addresses: String { "\(path)/addresses" }
  /// Held by the `handoff up` that runs this cluster.
  var lock: String { "\(path)/lock" }
  /// Copies of the executables, for a user who cannot reach the originals.
  var executables: String { "\(path)/bin" }

  /// Names that a data directory which had to go elsewhere still shows, as symbolic links.
  private static let linkedNames = ["addresses", "keys", "logs", "mail", "secrets", "sign-ins.txt", "tls"]

  /// Finds the data directory and makes it if need be.
  ///
  /// - Parameters:
  ///   - requested: What the person asked for; relative to the working directory.
  ///   - sudoUser: `SUDO_UID` of the environment.
  ///   - elsewhere: Parents for the data when the processes' user cannot reach `requested`, the first usable one wins.
  static func prepare(
    _ requested: String, sudoUser: String?, elsewhere: [String] = ["/var/lib/handoff", "/var/tmp/handoff"]
  ) throws(OperatorError) -> DataDirectory {
    let directory = try locate(requested, sudoUser: sudoUser, elsewhere: elsewhere)
    try PrivateFile.makeDirectory(directory.path, owner: directory.user)
    for path in [directory.secrets, directory.keys, directory.logs, directory.mail] {
      try PrivateFile.makeDirectory(path, owner: directory.user)
    }
    if directory.path != directory.requested { try directory.leaveTrace() }
    return directory
  }

  /// The data directory that is there already; nil when there is none.
  static func existing(_ requested: String) throws(OperatorError) -> DataDirectory? {
    let absolute = absolutePath(requested)
    let path = try remembered(absolute) ?? absolute
    guard access("\(path)/secrets", F_OK) == 0 else {
      guard errno == EACCES else { return nil }
      throw OperatorError(
        "you may not look into \(path)", advice: "Run handoff as the user who started the cluster.")
    }
    let user = PrivateFile.owner(of: path).flatMap { ServiceUser(id: $0) } ?? .current
    return DataDirectory(requested: absolute, path: path, user: user)
  }

  /// Decides where the data lies, without making anything.
  private static func locate(
    _ requested: String, sudoUser: String?, elsewhere: [String]
  ) throws(OperatorError) -> DataDirectory {
    let absolute = absolutePath(requested)
    let known = try remembered(absolute) ?? absolute
    let user = try ServiceUser.choose(dataOwner: PrivateFile.owner(of: known), sudoUser: sudoUser)
    if !user.isAnother || known != absolute || isReachable(absolute, by: user) {
      return DataDirectory(requested: absolute, path: known, user: user)
    }
    for parent in elsewhere where isReachable(parent, by: user) {
      return DataDirectory(requested: absolute, path: "\(parent)/\(shortName(of: absolute))", user: user)
    }
    throw OperatorError(
      "user \(user.name), who has to run PostgreSQL, can reach neither \(absolute) nor"
        + " \(elsewhere.joined(separator: " nor "))",
      advice: "Name a directory that \(user.name) can reach with --data DIR.")
  }

  /// Whether `user` could enter a directory at `path`: it, or the nearest directory above it that is there.
  private static func isReachable(_ path: String, by user: ServiceUser) -> Bool {
    var place = path[...]
    while access(String(place), F_OK) != 0, let slash = place.lastIndex(of: "/"), slash > place.startIndex {
      place = place[..<slash]
    }
    // An existing data directory is closed to everybody but its owner, who is asked for here.
    if place == path, PrivateFile.owner(of: path) == 0, let slash = place.lastIndex(of: "/") { place = place[..<slash] }
    return user.canAccess(place.isEmpty ? "/" : String(place), X_OK)
  }

  /// Where the data of `requested` went on an earlier run.
  private static func remembered(_ requested: String) throws(OperatorError) -> String? {
    guard let text = try PrivateFile.read("\(requested)/location") else { return nil }
    let path = text.split(separator: "\n").first.map(String.init) ?? ""
    guard path.hasPrefix("/") else {
      throw OperatorError(
        "\(requested)/location does not name a directory",
        advice: "Write the absolute path of the data into it, or remove the file to start anew.")
    }
    return path
  }

  /// Leaves in `requested` where the data went, and links to what people look for.
  private func leaveTrace() throws(OperatorError) {
    try PrivateFile.makeDirectory(requested, owner: .current)
    try PrivateFile.write("\(path)\n", to: "\(requested)/location", owner: .current)
    for name in Self.linkedNames {
      guard symlink("\(path)/\(name)", "\(requested)/\(name)") == 0 || errno == EEXIST else {
        throw OperatorError("\(requested)/\(name) could not be linked: \(errorText(errno))")
      }
    }
  }

  /// The absolute form of a path, without `.` and empty parts.
  static func absolutePath(_ path: String) -> String {
    var whole = path
    if !path.hasPrefix("/") {
      var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
      let current = getcwd(&buffer, buffer.count).map { String(cString: $0) } ?? "/"
      whole = "\(current)/\(path)"
    }
    var parts: [Substring] = []
    for part in whole.split(separator: "/") where part != "." {
      if part == ".." { _ = parts.popLast() } else { parts.append(part) }
    }
    return "/" + parts.joined(separator: "/")
  }

  /// A name for data that had to go elsewhere: readable, and different for different directories.
  private static func shortName(of path: String) -> String {
    // FNV-1a; any stable hash will do, since the name is remembered.
    let hash = path.utf8.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    let parts = path.split(separator: "/").suffix(2).map { $0.drop { $0 == "." } }
    let readable = parts.joined(separator: "-").unicodeScalars.filter {
      ("a"..."z").contains($0) || ("A"..."Z").contains($0) || ("0"..."9").contains($0) || $0 == "-"
    }
    return String(String(String.UnicodeScalarView(readable)).prefix(40)) + "-" + String(hash >> 32, radix: 16)
  }
}
