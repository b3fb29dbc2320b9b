import Crypto
import EventLoop
import Glibc
import RPCProtos
import Synchronization

@testable import RPC

/// A server with scripted methods and a channel to it, over a real socket.
struct Fixture {
  static let service = "/test.v1.Script/"
  let group: EventLoopGroup
  let server: RPCServer
  let channel: RPCChannel
  let script: Script

  init(
    loops: Int = 1, address: SocketAddress = .ipv4(0x7F00_0001, port: 0), interceptors: [any ServerInterceptor] = [],
    http: (any HTTPHandler)? = nil, limits: RPCServerLimits = RPCServerLimits(),
    channel channelConfiguration: RPCChannelConfiguration = RPCChannelConfiguration(),
    server change: (inout RPCServerConfiguration) -> Void = { _ in }
  ) async throws {
    group = try EventLoopGroup.start(count: loops)
    script = Script()
    var configuration = RPCServerConfiguration(listen: [address])
    configuration.limits = limits
    change(&configuration)
    server = RPCServer(
      group: group, configuration: configuration, services: [script.service(group)], interceptors: interceptors,
      http: http)
    try await server.start()
    channel = RPCChannel(
      group: group, target: RPCTarget(server.boundAddresses[0]), configuration: channelConfiguration)
  }

  /// Runs a test's body and ends everything it began.
  static func run(
    loops: Int = 1, address: SocketAddress = .ipv4(0x7F00_0001, port: 0), interceptors: [any ServerInterceptor] = [],
    http: (any HTTPHandler)? = nil, limits: RPCServerLimits = RPCServerLimits(),
    channel: RPCChannelConfiguration = RPCChannelConfiguration(),
    server change: (inout RPCServerConfiguration) -> Void = { _ in }, _ body: (Fixture) async throws -> Void
  ) async throws {
    let fixture = try await Fixture(
      loops: loops, address: address, interceptors: interceptors, http: http, limits: limits, channel: channel,
      server: change)
    do { try await body(fixture) } catch {
      await fixture.close()
      throw error
    }
    await fixture.close()
  }

  func close() async {
    await channel.close()
    await server.drain(within: .zero)
    group.shutdown()
  }

  static func temporarySocket() -> SocketAddress {
    .unix(path: "/tmp/handoff-rpc-test-\(getpid())-\(UInt32.random(in: 0 ... .max))")
  }
}

extension RPCServerLimits {
  static func with(_ change: (inout RPCServerLimits) -> Void) -> RPCServerLimits {
    var limits = RPCServerLimits()
    change(&limits)
    return limits
  }
}

extension RPCChannelConfiguration {
  static func with(_ change: (inout RPCChannelConfiguration) throws -> Void) rethrows -> RPCChannelConfiguration {
    var configuration = RPCChannelConfiguration()
    try change(&configuration)
    return configuration
  }
}

/// A minute from now, each time it is asked for: a deadline is a moment, and a run of all tests takes longer than that.
var soon: CallOptions { .timeout(.seconds(60)) }

/// What the scripted methods do and have seen.
final class Script: Sendable {
  /// Passed by a handler that waits to be cancelled, when it began and when it was.
  let began = Signal()
  let cancelled = Signal()
  let sent = Atomic<Int>(0)

  func service(_ group: EventLoopGroup) -> RPCService {
    RPCService(
      name: "test.v1.Script",
      methods: [
        .raw("Echo") { request, call in
          var initial = Metadata()
          for value in call.metadata.values("x-echo") { initial.add("x-echo", value) }
          call.setInitialMetadata(initial)
          for value in call.metadata.binaries("x-echo-bin") { call.addTrailer("x-echo-bin", binary: value) }
          return request
        },
        .raw("Pack") { request, call in
          call.compressesResponses = true
          return request + [call.requestWasCompressed ? 1 : 0]
        },
        .raw("Fail") { request, _ in
          let code = request.first.flatMap { StatusCode(rawValue: Int32($0)) } ?? .unknown
          let text = String(decoding: request.dropFirst(), as: UTF8.self)
          throw RPCError(code, text, details: [.init(typeUrl: "type/x", value: [1, 2])])
        },
        .raw("Throw") { _, _ in throw Unknown() },
        .raw("Names") { _, call in Array((call.certificate?.names ?? ["nobody"]).joined(separator: " ").utf8) },
        .raw("Wait") { [self] request, _ in
          try await waitForCancellation(group)
          return request
        },
        .raw("Context") { _, call in
          let onward = call.onward()
          let facts = [
            call.service, call.method, call.path, call.requestID, onward.metadata["x-request-id"] ?? "",
            onward.metadata["traceparent"] ?? "", onward.deadline < call.deadline ? "shorter" : "not shorter",
          ]
          return Array(facts.joined(separator: "|").utf8)
        },
        .rawServerStreaming("Repeat") { request, responses, _ in
          for _ in 0..<(request.first.map(Int.init) ?? 0) { try await responses.send(request) }
        },
        .rawServerStreaming("RepeatAndFail") { request, responses, _ in
          for _ in 0..<(request.first.map(Int.init) ?? 0) { try await responses.send(request) }
          throw RPCError(.dataLoss, "after the last")
        },
        .rawServerStreaming("Flood") { [self] _, responses, _ in
          began.raise()
          do {
            while true {
              try await responses.send([UInt8](repeating: 1, count: 32 << 10))
              sent.add(1, ordering: .sequentiallyConsistent)
            }
          } catch {
            cancelled.raise()
            throw error
          }
        },
        .rawClientStreaming("Join") { requests, _ in
          var all: [UInt8] = []
          for try await request in requests { all += request }
          return all
        },
        .rawBidirectional("Chat") { requests, responses, _ in
          for try await request in requests { try await responses.send(request) }
        },
      ])
  }

  private func waitForCancellation(_ group: EventLoopGroup) async throws {
    began.raise()
    do { try await group.currentOrNext().sleep(for: .seconds(3600)) } catch {
      cancelled.raise()
      throw error
    }
  }
}

struct Unknown: Error { let secret = "password" }

/// Something that happens once or more and can be waited for.
final class Signal: Sendable {
  private let state = Mutex<(raised: Bool, waiters: [CheckedContinuation<Void, Never>])>((false, []))

  func raise() {
    let waiters = state.withLock { state in
      state.raised = true
      defer { state.waiters = [] }
      return state.waiters
    }
    for waiter in waiters { waiter.resume() }
  }

  var isRaised: Bool { state.withLock { $0.raised } }

  func wait() async {
    await withCheckedContinuation { continuation in
      let isRaised = state.withLock { state in
        if !state.raised { state.waiters.append(continuation) }
        return state.raised
      }
      if isRaised { continuation.resume() }
    }
  }
}

/// The error a call failed with; nil when it did not.
func failure(_ call: () async throws -> some Any) async -> RPCError? {
  do { _ = try await call() } catch { return error as? RPCError }
  return nil
}

/// Waits for something that cannot be awaited; ends with the test's time limit.
func until(_ condition: () -> Bool) async throws {
  while !condition() {
    try Task.checkCancellation()
    await Task.yield()
  }
}
