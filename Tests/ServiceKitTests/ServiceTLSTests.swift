import Crypto
import EventLoop
import Foundation
import RPC
import RPCProtos
import Testing

@testable import ServiceKit

/// The files of a daemon's TLS, of an authority of their own; gone with the value.
final class TestTLSFiles {
  let authority: CertificateAuthority
  let files: TLSFiles
  private let directory =
    FileManager.default.temporaryDirectory.appending(path: "handoff-tls-\(UUID().uuidString)").path

  init(_ process: String = "probe") throws {
    authority = try CertificateAuthority(named: "test authority", .days(2))
    files = TLSFiles(
      certificate: "\(directory)/own.pem", key: "\(directory)/own-key.pem", authorities: "\(directory)/ca.pem")
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    try write(authority.certificate.pem, files.authorities)
    try renew(process)
  }

  deinit { try? FileManager.default.removeItem(atPath: directory) }

  /// The variables that name them.
  var variables: [String: String] {
    [
      "HANDOFF_TLS_CERTIFICATE_FILE": files.certificate, "HANDOFF_TLS_KEY_FILE": files.key,
      "HANDOFF_TLS_CA_FILE": files.authorities,
    ]
  }

  func issue(_ name: String, days: Int64 = 1) throws -> (certificate: Certificate, key: PrivateKey) {
    try authority.issue(.init(name, names: [name, "localhost"], addresses: ["127.0.0.1"]), .days(days))
  }

  /// Replaces the certificate and its key.
  func renew(_ process: String, days: Int64 = 1) throws {
    let (certificate, key) = try issue(CertifiedName.of(process), days: days)
    try write(certificate.pem, files.certificate)
    try write(key.pem, files.key)
  }

  func write(_ text: String, _ path: String) throws {
    try Data(text.utf8).write(to: URL(filePath: path), options: .atomic)
    try #require(chmod(path, 0o600) == 0)
  }

  /// The TLS of a caller whose certificate is for `name`.
  func caller(_ name: String) throws -> RPCChannelTLS {
    let (certificate, key) = try issue(name)
    let identity = TLSIdentity(certificate: Array(certificate.pem.utf8), privateKey: SecretBytes(Array(key.pem.utf8)))
    let context = try TLSContext(clientOf: Array(authority.certificate.pem.utf8), identity: identity)
    return RPCChannelTLS(TLSSource(context), serverName: CertifiedName.of("probe"))
  }
}

@Suite("the TLS of a daemon", .timeLimit(.minutes(2)))
struct ServiceTLSTests {
  @Test("a certificate names the process before the cluster's domain, and nothing else does")
  func process() {
    let rows: [([String], String?)] = [
      (["tickets.handoff.internal"], "tickets"), (["localhost", "mail.handoff.internal"], "mail"), ([], nil),
      (["gateway"], nil), (["a.gateway.handoff.internal"], nil), ([".handoff.internal"], nil),
      (["handoff.internal"], nil), (["*.handoff.internal"], nil), (["gateway.handoff.internal.example.com"], nil),
    ]
    for (names, process) in rows { #expect(PeerCertificate(names: names).process == process, "\(names)") }
  }

  @Test("the certificate is the caller's name, and what the caller claims beside it counts for nothing")
  func admission() throws {
    let authenticator = CallerAuthenticator(rules: [CallerRule("TicketService", callers: ["gateway"])])
    for (names, refusal) in [
      (["gateway.handoff.internal"], nil), (["edge.handoff.internal"], .callerNotAllowed),
      (["gateway"], .callerUnknown), (nil, .callerUnknown),
    ] as [([String]?, Reason?)] {
      let call = CallContext(
        service: "TicketService", method: "GetTicket", path: "/handoff.tickets.v1.TicketService/GetTicket",
        metadata: Metadata([("handoff-caller", "gateway")]), deadline: .never, peer: "in-process",
        certificate: names.map { PeerCertificate(names: $0) })
      guard let refusal else {
        try authenticator.admit(call)
        #expect(call.caller == "gateway")
        continue
      }
      let error = try #require(throws: ServiceError.self) { try authenticator.admit(call) }
      #expect(error.reason == refusal, "\(names ?? [])")
    }
  }

  /// A logger whose lines can be read.
  private func log() -> (log: Logger, lines: () -> String) {
    let pipe = Pipe()
    let output = LogOutput(file: pipe.fileHandleForWriting.fileDescriptor)
    return (
      Logger(service: "handoff-test", level: .info, output: output),
      {
        // So that reading does not wait when nothing was written.
        pipe.fileHandleForWriting.write(Data("\n".utf8))
        return String(decoding: pipe.fileHandleForReading.availableData, as: UTF8.self)
      }
    )
  }

  @Test("new files are used once they are all there; broken ones are told, and the old ones stay in use")
  func reload() throws {
    let test = try TestTLSFiles()
    let (log, lines) = log()
    let tls = try ServiceTLS(test.files, log: log)
    let server = try tls.server(.required)
    let first = (client: tls.client.current, server: server.current)
    tls.look()
    tls.look()
    #expect(tls.client.current === first.client && server.current === first.server)

    try test.renew("probe", days: 2)
    tls.look()
    // They may not be complete yet.
    #expect(tls.client.current === first.client)
    tls.look()
    let second = (client: tls.client.current, server: server.current)
    #expect(second.client !== first.client && second.server !== first.server)
    #expect(tls.expireTime > first.client.expireTime ?? .max)
    #expect(lines().contains("tls.reloaded"))

    try test.write(try test.issue("other").key.pem, test.files.key)
    for _ in 0..<4 { tls.look() }
    #expect(tls.client.current === second.client && server.current === second.server)
    let said = lines()
    #expect(said.contains("the private key is not the one of the certificate"), "\(said)")
    #expect(said.split(separator: "tls.reload_failed").count == 2, "told once: \(said)")
    unlink(test.files.certificate)
    for _ in 0..<4 { tls.look() }
    #expect(tls.client.current === second.client)
    #expect(lines().contains("No such file or directory"))

    try test.renew("probe")
    for _ in 0..<2 { tls.look() }
    #expect(tls.client.current !== second.client && server.current !== second.server)
  }

  @Test("a daemon answers those whom its list names by their certificates, and says whom it refused")
  func daemon() async throws {
    let group = try EventLoopGroup.start(count: 1)
    defer { group.shutdown() }
    let test = try TestTLSFiles()
    let daemon = try TestDaemon(tls: test)
    let address = try #require(try daemon.line("service.ready")["address"] as? String)
    let target = try #require(RPCTarget(parsing: address))
    func call(_ name: String?, _ method: String = "Who") async throws -> String {
      var configuration = RPCChannelConfiguration()
      if let name { configuration.tls = try test.caller(name) }
      let channel = RPCChannel(group: group, target: target, configuration: configuration)
      let result: Result<RawResponse, any Error>
      do {
        result = .success(
          try await channel.unary("/handoff.probe.v1.ProbeService/\(method)", [], .timeout(.seconds(30))))
      } catch {
        result = .failure(error)
      }
      await channel.close()
      return String(decoding: try result.get().message, as: UTF8.self)
    }
    #expect(try await call("tickets.handoff.internal") == "service(\"tickets\")")
    #expect(try daemon.line("rpc.finished")["caller"] as? String == "tickets")
    for (name, method, code, words) in [
      ("edge.handoff.internal", "Who", .permissionDenied, "Who is not for the caller edge"),
      ("tickets.handoff.internal", "Stale", .permissionDenied, "Stale is not for the caller tickets"),
      ("gateway", "Who", .unauthenticated, "is not for a name that ends in .handoff.internal"),
    ] as [(String, String, StatusCode, String)] {
      let error = try await #require(throws: RPCError.self) { try await call(name, method) }
      #expect(error.code == code)
      #expect(error.message.contains(words), "\(error.message)")
    }
    let error = try await #require(throws: RPCError.self) { try await call(nil) }
    #expect(error.code == .unavailable)
    let problem = try daemon.line("connection.refused")["problem"] as? String
    #expect(problem == "the client spoke plain text to a port that has TLS")
  }

  @Test("TLS files that are not right keep a daemon from starting, and are told")
  func wrongFiles() throws {
    let test = try TestTLSFiles()
    try test.write(test.authority.key.pem, test.files.key)
    let daemon = try TestDaemon(tls: test)
    let problem = try #require(try daemon.line("service.failed")["problem"] as? String)
    #expect(problem.contains("HANDOFF_TLS_CERTIFICATE_FILE"), "\(problem)")
    #expect(problem.contains("the private key is not the one of the certificate"), "\(problem)")
    #expect(daemon.ending().code == 78)

    try #require(chmod(test.files.key, 0o644) == 0)
    let (text, code) = try TestDaemon(["HANDOFF_TLS_CA_FILE": ""], tls: test).ending()
    #expect(code == 64)
    #expect(text.contains("HANDOFF_TLS_KEY_FILE names \"\(test.files.key)\", which everyone may read"), "\(text)")
    #expect(text.contains("HANDOFF_TLS_CA_FILE is not set"), "\(text)")
  }
}
