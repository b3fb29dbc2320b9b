import Crypto
import EventLoop
import RPC
import Synchronization

/// The TLS of a daemon, made of its files, and made again when they change.
///
/// Connections that are open stay as they are. Files that are not right are told in the log, and what was read before
/// stays in use.
final class ServiceTLS: Sendable {
  /// For the connections that the daemon makes.
  let client: TLSSource
  private let files: TLSFiles
  private let log: Logger
  private let state: Mutex<State>

  private struct State {
    var server: (source: TLSSource, clients: TLSContext.ClientCertificates)?
    /// The files as they were read last, whether they were right or not.
    var read: TLSFiles.Stamp
    /// The files as they were seen last: they are read when they have not changed between two looks, because three
    /// files are not replaced at once.
    var seen: TLSFiles.Stamp
  }

  /// How often the files are looked at.
  static let interval: Duration = .seconds(5)

  /// Reads the files.
  ///
  /// - Throws: what is wrong with them.
  init(_ files: TLSFiles, log: Logger) throws {
    let stamp = TLSFiles.Stamp(files)
    self.files = files
    self.log = log
    state = Mutex(State(read: stamp, seen: stamp))
    client = TLSSource(try files.client())
  }

  /// For the connections that the daemon accepts; to be asked for once.
  ///
  /// - Throws: what is wrong with the files.
  func server(_ clients: TLSContext.ClientCertificates) throws -> TLSSource {
    let source = TLSSource(try files.server(clients))
    state.withLock { $0.server = (source, clients) }
    return source
  }

  /// When the certificate in use expires, in seconds since 1970.
  var expireTime: Int64 { client.current.expireTime ?? 0 }

  /// Looks at the files again and again, until cancelled.
  func watch(on loop: EventLoop, every interval: Duration = interval) -> Task<Void, Never> {
    // Not on the loop: reading files may block.
    Task.detached { [self] in
      while (try? await loop.sleep(for: interval)) != nil { look() }
    }
  }

  /// Looks at the files once.
  func look() {
    let stamp = TLSFiles.Stamp(files)
    let server = state.withLock { state -> (source: TLSSource, clients: TLSContext.ClientCertificates)?? in
      defer { state.seen = stamp }
      guard stamp == state.seen, stamp != state.read else { return .none }
      state.read = stamp
      return .some(state.server)
    }
    guard let server else { return }
    do {
      let newClient = try files.client()
      if let server { server.source.current = try files.server(server.clients) }
      client.current = newClient
      log.info("tls.reloaded", ["certificate_expires": .integer(expireTime)])
    } catch {
      log.error(
        "tls.reload_failed",
        [
          "problem": .string(TLSFiles.words(error)), "certificate": .string(files.certificate),
          "note": .string("the certificate read before stays in use"),
        ])
    }
  }
}
