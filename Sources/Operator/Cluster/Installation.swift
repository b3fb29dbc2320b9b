import FoundationEssentials
import Glibc

/// The programs of a cluster: the daemons beside this executable, and the edge from the system.
struct Installation: Sendable {
  /// The directory of `handoff-tickets` and the others.
  let daemons: String
  /// The path of nghttpx.
  let edge: String

  /// Finds the programs.
  ///
  /// - Parameter path: `PATH` of the environment.
  static func find(path: String) throws(OperatorError) -> Installation {
    let directory = try Self.ownDirectory()
    let missing = ClusterPlan.daemons.filter { access("\(directory)/\($0.executable)", X_OK) != 0 }
    guard missing.isEmpty else {
      throw OperatorError(
        "\(missing.map(\.executable).joined(separator: ", ")) not found in \(directory), where handoff itself lies",
        advice: "Build everything: swift build -c release --static-swift-stdlib (or use scripts/up).")
    }
    guard let edge = nghttpx(path: path) else {
      throw OperatorError(
        "nghttpx, which is put in front of the gateway, was not found",
        advice: "Install it: apt-get install nghttp2-proxy")
    }
    return Installation(daemons: directory, edge: edge)
  }

  /// The path of nghttpx, which Debian installs into a directory that ordinary users do not have in their `PATH`.
  static func nghttpx(path: String) -> String? {
    (path.split(separator: ":").map(String.init) + ["/usr/sbin", "/usr/local/sbin", "/usr/bin", "/usr/local/bin"])
      .map { "\($0)/nghttpx" }.first { access($0, X_OK) == 0 }
  }

  /// The directory of the running executable.
  static func ownDirectory() throws(OperatorError) -> String {
    var buffer = [UInt8](repeating: 0, count: 4096)
    let count = buffer.withUnsafeMutableBytes { bytes in
      bytes.withMemoryRebound(to: CChar.self) { text in
        text.baseAddress.map { readlink("/proc/self/exe", $0, text.count) } ?? 0
      }
    }
    let path = String(decoding: buffer.prefix(max(0, count)), as: UTF8.self)
    guard count > 0, let slash = path.lastIndex(of: "/") else {
      throw OperatorError("/proc/self/exe cannot be read: \(errorText(errno))")
    }
    return String(path[..<slash])
  }

  /// The same programs where the processes' user can run them: in place, or copied into the data directory when they
  /// lie in somebody's private home.
  func reachable(in directory: DataDirectory) throws(OperatorError) -> Installation {
    let user = directory.user
    guard ClusterPlan.daemons.contains(where: { !user.canAccess("\(daemons)/\($0.executable)", X_OK) }) else {
      return self
    }
    try PrivateFile.makeDirectory(directory.executables, owner: user)
    for daemon in ClusterPlan.daemons {
      try Self.copy("\(daemons)/\(daemon.executable)", to: "\(directory.executables)/\(daemon.executable)", user)
    }
    return Installation(daemons: directory.executables, edge: edge)
  }

  /// Copies an executable unless the copy is as large and as new.
  private static func copy(_ source: String, to copy: String, _ user: ServiceUser) throws(OperatorError) {
    var original = stat()
    var existing = stat()
    guard stat(source, &original) == 0 else { throw OperatorError("\(source) cannot be read: \(errorText(errno))") }
    if lstat(copy, &existing) == 0, existing.st_size == original.st_size,
      existing.st_mtim.tv_sec >= original.st_mtim.tv_sec
    {
      return
    }
    let temporary = "\(copy).new"
    unlink(temporary)
    let input = open(source, O_RDONLY | O_CLOEXEC)
    let output = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o700)
    defer {
      close(input)
      close(output)
    }
    var buffer = [UInt8](repeating: 0, count: 1 << 20)
    while input >= 0, output >= 0 {
      let got = read(input, &buffer, buffer.count)
      if got < 0, errno == EINTR { continue }
      guard got > 0 else {
        if got == 0, fchown(output, user.uid, user.gid) == 0, rename(temporary, copy) == 0 { return }
        break
      }
      guard write(output, buffer, got) == got else { break }
    }
    throw OperatorError("\(source) could not be copied to \(copy): \(errorText(errno))")
  }
}
