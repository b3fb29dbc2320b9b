import EventLoop
import Foundation
import FoundationNetworking
import RPC
import RPCProtos
import Testing

@testable import ServiceKit

/// A daemon as a child process: its log lines as they come, and how it ended.
final class TestDaemon {
  let process = Process()
  private let errors = Pipe()
  private var buffered = Data()
  /// Its certificate, and the authority that its callers' are of.
  let tls: TestTLSFiles

  /// Starts the daemon on free ports with `variables` beside those it needs.
  init(
    _ variables: [String: String] = [:], arguments: [String] = [], output: Pipe? = nil, tls: TestTLSFiles? = nil
  ) throws {
    let products = URL(filePath: try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"))
      .deletingLastPathComponent()
    self.tls = try tls ?? TestTLSFiles()
    process.executableURL = products.appending(path: "servicekit-daemon")
    process.arguments = arguments
    process.environment = [
      "HANDOFF_LISTEN": "127.0.0.1:0", "HANDOFF_ADMIN_LISTEN": "127.0.0.1:0", "HANDOFF_LOOPS": "1",
    ].merging(self.tls.variables) { $1 }.merging(variables) { $1 }
    process.standardError = errors
    if let output { process.standardOutput = output }
    try process.run()
    try errors.fileHandleForWriting.close()
  }

  deinit {
    if process.isRunning { process.terminate() }
  }

  /// The next log line of `event`; fails when the daemon ends before.
  func line(_ event: String) throws -> [String: Any] {
    while let line = nextLine() {
      let object = try JSONSerialization.jsonObject(with: line) as? [String: Any]
      if let object, object["event"] as? String == event { return object }
    }
    throw Ended(awaited: event)
  }

  /// Everything it wrote, when it has ended, and the exit code.
  func ending() -> (text: String, code: Int32) {
    while nextChunk() {}
    process.waitUntilExit()
    return (String(decoding: buffered, as: UTF8.self), process.terminationStatus)
  }

  private func nextLine() -> Data? {
    while true {
      if let end = buffered.firstIndex(of: 0x0a) {
        let line = Data(buffered[..<end])
        buffered = Data(buffered[(end + 1)...])
        return line
      }
      guard nextChunk() else { return nil }
    }
  }

  private func nextChunk() -> Bool {
    let chunk = errors.fileHandleForReading.availableData
    buffered += chunk
    return !chunk.isEmpty
  }

  struct Ended: Error {
    let awaited: String
  }
}

@Suite("the life of a daemon", .timeLimit(.minutes(1)))
struct DaemonTests {
  @Test("--help explains every variable and ends well")
  func help() throws {
    let output = Pipe()
    let daemon = try TestDaemon(arguments: ["--help"], output: output)
    #expect(daemon.ending().code == 0)
    let text = String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
    #expect(text.hasPrefix("handoff-probe: a daemon for tests.\n"))
    for name in ["HANDOFF_LISTEN", "HANDOFF_ADMIN_LISTEN", "HANDOFF_LOOPS", "HANDOFF_LOG_LEVEL", "HANDOFF_MODE"] {
      #expect(text.contains("\n  \(name)  ("))
    }
  }

  @Test("a wrong environment is told whole, and ends with 64, as does an argument")
  func wrongEnvironment() throws {
    let (text, code) = try TestDaemon(["HANDOFF_LOOPS": "0", "HANDOFF_MODUS": "serve"]).ending()
    #expect(code == 64)
    #expect(
      text == """
        handoff-probe cannot start with this configuration:
          HANDOFF_MODUS is not known to this program; did you mean HANDOFF_MODE?
          HANDOFF_LOOPS is "0"; it needs a whole number 1 … 256
        See --help for every variable.

        """)
    #expect(try TestDaemon(arguments: ["--version"]).ending().code == 64)
  }

  @Test("it becomes ready, says its configuration without secrets, and ends with 0 on SIGTERM")
  func serves() async throws {
    let daemon = try TestDaemon()
    let effective = try daemon.line("config.effective")
    #expect(effective["key"] as? String == "HANDOFF_LISTEN")
    let admin = try #require(try daemon.line("admin.listening")["address"] as? String)
    _ = try daemon.line("service.ready")
    let url = try #require(URL(string: "http://\(admin)/readyz"))
    let (body, _) = try await URLSession.shared.data(from: url)
    #expect(String(decoding: body, as: UTF8.self) == "ready\n")
    daemon.process.terminate()
    #expect(try daemon.line("service.draining")["signal"] as? String == "SIGTERM")
    let (rest, code) = daemon.ending()
    #expect(code == 0)
    #expect(!rest.contains("PRIVATE KEY"))
  }

  @Test(
    "what stops a start is told in the log and the exit code",
    arguments: [
      (["HANDOFF_MODE": "refuse"], 78, "run: handoff migrate"), (["HANDOFF_MODE": "fail"], 70, "Unreachable"),
      (["HANDOFF_MODE": "wait", "HANDOFF_LIMIT": "1ms"], 69, "the impossible was not usable within"),
    ] as [([String: String], Int32, String)])
  func failures(variables: [String: String], code: Int32, words: String) throws {
    let daemon = try TestDaemon(variables)
    let problem = try #require(try daemon.line("service.failed")["problem"] as? String)
    #expect(problem.contains(words))
    #expect(daemon.ending().code == code)
  }

  @Test("an address in use ends it with 71 and names the variable")
  func addressInUse() throws {
    let first = try TestDaemon()
    let address = try #require(try first.line("service.ready")["address"] as? String)
    let second = try TestDaemon(["HANDOFF_LISTEN": address])
    let problem = try #require(try second.line("service.failed")["problem"] as? String)
    #expect(problem.contains(address) && problem.contains("HANDOFF_LISTEN"))
    #expect(second.ending().code == 71)
  }

  /// A channel to the daemon, with a certificate for `name`.
  func channel(
    _ daemon: TestDaemon, at address: String, as name: String, _ group: EventLoopGroup
  ) throws -> RPCChannel {
    var configuration = RPCChannelConfiguration()
    configuration.tls = try daemon.tls.caller(name)
    return RPCChannel(
      group: group, target: try #require(RPCTarget(parsing: address)), configuration: configuration)
  }

  /// Calls a method of the daemon, on behalf of `agent`.
  func call(
    _ channel: RPCChannel, _ method: String, agent: AgentID? = nil, _ request: String = ""
  ) async throws -> String {
    var options = CallOptions.timeout(.seconds(30))
    if let agent { options.speak(for: agent) }
    let response = try await channel.unary("/handoff.probe.v1.ProbeService/\(method)", Array(request.utf8), options)
    return String(decoding: response.message, as: UTF8.self)
  }

  @Test("callers prove themselves, errors carry their reasons, and every call is logged and counted")
  func calls() async throws {
    let group = try EventLoopGroup.start(count: 1)
    defer { group.shutdown() }
    let daemon = try TestDaemon()
    let admin = try #require(try daemon.line("admin.listening")["address"] as? String)
    let address = try #require(try daemon.line("service.ready")["address"] as? String)
    let names = ["gateway", "tickets"].map { CertifiedName.of($0) } + ["a stranger"]
    let channels = try names.map { try channel(daemon, at: address, as: $0, group) }
    let (gateway, tickets, stranger) = (channels[0], channels[1], channels[2])
    for service in ["", "handoff.probe.v1.ProbeService"] {
      let health = try await HealthClient(stranger).check(HealthCheckRequest(service: service), .timeout(.seconds(30)))
      #expect(health.status == .serving)
    }
    #expect(try await call(tickets, "Echo", "hello") == "hello")
    var echoed = try daemon.line("rpc.finished")
    while echoed["rpc"] as? String != "/handoff.probe.v1.ProbeService/Echo" { echoed = try daemon.line("rpc.finished") }
    #expect(echoed["caller"] as? String == "tickets")
    #expect(try await call(gateway, "Who", agent: AgentID(7)) == "agent(7)")
    #expect(try await call(tickets, "Who") == "service(\"tickets\")")

    let rows: [(String, RPCChannel, AgentID?, ServiceError)] = [
      ("Stale", gateway, nil, ServiceError(.staleVersion, metadata: ["current_version": "7"])),
      ("Invalid", gateway, nil, .invalid("ticket.subject", "is empty; write one")),
      ("Fail", gateway, nil, ServiceError(.internal)), ("Stale", tickets, nil, ServiceError(.internal)),
      ("Echo", stranger, nil, ServiceError(.internal)), ("Who", tickets, AgentID(7), ServiceError(.internal)),
    ]
    for (method, channel, agent, expected) in rows {
      let error = try await #require(throws: RPCError.self) { try await call(channel, method, agent: agent) }
      #expect(ServiceError(error) == expected)
    }
    var line = try daemon.line("rpc.finished")
    while line["reason"] as? String != "INTERNAL" { line = try daemon.line("rpc.finished") }
    #expect(line["cause"] as? String == "Unreachable()")

    let url = try #require(URL(string: "http://\(admin)/metrics"))
    let text = String(decoding: try await URLSession.shared.data(from: url).0, as: UTF8.self)
    let labels = "grpc_service=\"handoff.probe.v1.ProbeService\",grpc_method=\"Who\""
    #expect(text.contains("grpc_server_handled_total{\(labels),grpc_code=\"OK\"} 2\n"))
    #expect(text.contains("grpc_server_handled_total{\(labels),grpc_code=\"PERMISSION_DENIED\"} 1\n"))
    for channel in channels { await channel.close() }
  }

  @Test("a call under way when SIGTERM comes is answered before the daemon ends")
  func drains() async throws {
    let group = try EventLoopGroup.start(count: 1)
    defer { group.shutdown() }
    let daemon = try TestDaemon()
    let address = try #require(try daemon.line("service.ready")["address"] as? String)
    let channel = try channel(daemon, at: address, as: CertifiedName.of("gateway"), group)
    async let answer = call(channel, "Wait", "still here")
    _ = try daemon.line("probe.waiting")
    daemon.process.terminate()
    #expect(try await answer == "still here")
    #expect(daemon.ending().code == 0)
    await channel.close()
  }

  @Test("a start that waits can be stopped")
  func stoppedWhileWaiting() throws {
    let daemon = try TestDaemon(["HANDOFF_MODE": "wait"])
    let line = try daemon.line("startup.waiting")
    #expect(line["for"] as? String == "the impossible")
    daemon.process.terminate()
    #expect(daemon.ending().code == 0)
  }
}
