package import Crypto
import Glibc

/// The files that a daemon's TLS is made of. They are read at the start and again when they change.
package struct TLSFiles: Sendable, Equatable {
  /// The daemon's certificate and its chain, in PEM.
  package let certificate: String
  /// Its private key, in PEM.
  package let key: String
  /// The certificates of the authorities whom the daemon trusts, in PEM.
  package let authorities: String

  /// Names the files; whether they are right is found out by reading them.
  package init(certificate: String, key: String, authorities: String) {
    self.certificate = certificate
    self.key = key
    self.authorities = authorities
  }

  /// What of the files changes when they are replaced.
  struct Stamp: Equatable {
    private struct File: Equatable {
      let inode: UInt64
      let size: Int64
      /// The bytes of a `timespec`.
      let modifyTime: [UInt8]
    }
    private let files: [File]

    /// Looks at the files, through symbolic links.
    init(_ files: TLSFiles) {
      self.files = [files.certificate, files.key, files.authorities].map { path in
        var status = stat()
        guard stat(path, &status) == 0 else { return File(inode: 0, size: -1, modifyTime: []) }
        return File(
          inode: UInt64(status.st_ino), size: Int64(status.st_size),
          modifyTime: withUnsafeBytes(of: status.st_mtim) { Array($0) })
      }
    }
  }

  /// Reads the files into the context of a server.
  ///
  /// - Throws: `ConfigProblem` or `TLSError` that says which file is wrong in which way.
  package func server(_ clients: TLSContext.ClientCertificates) throws -> TLSContext {
    let (identity, authorities) = try read()
    return try TLSContext(server: identity, clients: clients, authorities: authorities)
  }

  /// Reads the files into the context of a client.
  ///
  /// - Throws: `ConfigProblem` or `TLSError` that says which file is wrong in which way.
  package func client() throws -> TLSContext {
    let (identity, authorities) = try read()
    return try TLSContext(clientOf: authorities, identity: identity)
  }

  /// What an error of this type's methods says.
  static func words(_ error: any Error) -> String {
    (error as? ConfigProblem).map { "the configuration \($0.message)" } ?? String(describing: error)
  }

  private func read() throws(ConfigProblem) -> (TLSIdentity, authorities: [UInt8]) {
    let key = try readSecretFile(self.key)
    let identity = TLSIdentity(
      certificate: try readFile(certificate, isPrivate: false), privateKey: SecretBytes(key.bytes))
    return (identity, try readFile(authorities, isPrivate: false))
  }
}
