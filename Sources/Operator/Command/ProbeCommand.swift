import Crypto
import EventLoop
import FoundationEssentials
import Outbound
import RPC
import RPCProtos
import ServiceKit

/// `handoff probe`: one question, for health checks and scripts of containers that have no curl.
enum ProbeCommand {
  private static let limit = Duration.seconds(4)
  private static let healthScheme = "grpcs://"

  /// Asks the URL once and prints the answer: GET of an `http` or `https` URL, the health of the server at a `grpcs`
  /// one, which is shown the certificate that the environment names.
  ///
  /// - Throws: `OperatorError` with what is missing unless the answer is 200, or SERVING.
  static func run(
    _ arguments: Arguments, environment: [String: String], _ console: Console
  ) async throws(OperatorError) {
    guard let url = arguments.texts[.url] else {
      throw .usage("probe needs --url", advice: "For example: handoff probe --url http://127.0.0.1:7201/readyz")
    }
    if url.hasPrefix(healthScheme) {
      console.line(try await health(url, environment))
      return
    }
    let pool = BlockingPool(name: "http", threads: 1, queueMax: 1)
    let reply: HTTPReply
    do {
      reply = try await HTTPClient(pool: pool).send(HTTPRequest("GET", url), deadline: .after(limit))
    } catch {
      throw OperatorError("\(url) does not answer: \((error as? HTTPFailure)?.description ?? "\(error)")")
    }
    guard reply.status == 200 else {
      throw OperatorError(
        "\(url) answered \(reply.status)", advice: String(decoding: reply.body.prefix(1000), as: UTF8.self))
    }
    console.line(String(decoding: reply.body, as: UTF8.self))
  }

  private static func health(_ url: String, _ environment: [String: String]) async throws(OperatorError) -> String {
    guard let target = RPCTarget(parsing: String(url.dropFirst(healthScheme.utf8.count))) else {
      throw .usage("--url is \"\(url)\"", advice: "It takes host and port: grpcs://127.0.0.1:7101")
    }
    var configuration = RPCChannelConfiguration()
    configuration.tls = RPCChannelTLS(TLSSource(try context(environment)))
    configuration.connectTimeout = limit
    guard let group = try? EventLoopGroup.start(count: 1) else {
      throw OperatorError("no event loop could be started", advice: "Check: ulimit -n, ulimit -u")
    }
    let channel = RPCChannel(group: group, target: target, configuration: configuration)
    let answer: Result<HealthCheckResponse, any Error>
    do {
      answer = .success(try await HealthClient(channel).check(HealthCheckRequest(), .timeout(limit)))
    } catch {
      answer = .failure(error)
    }
    await channel.close()
    group.shutdown()
    switch answer {
    case .success(let told) where told.status == .serving: return "SERVING"
    case .success(let told): throw OperatorError("\(url) says \(told.status.protoName ?? "\(told.status.rawValue)")")
    case .failure(let error):
      throw OperatorError("\(url) does not answer: \((error as? RPCError).map { $0.message } ?? "\(error)")")
    }
  }

  /// From the three variables of TLS, among those of the program beside which the probe runs.
  private static func context(_ environment: [String: String]) throws(OperatorError) -> TLSContext {
    let names = CommonKeys.tls.map(\.name)
    let files: TLSFiles
    do throws(ConfigProblems) {
      files = try Config(CommonKeys.tls, environment: environment.filter { names.contains($0.key) }).tlsFiles
    } catch {
      throw .usage("grpcs needs a certificate, its key and an authority", advice: "\(error)")
    }
    do {
      return try files.client()
    } catch {
      throw OperatorError("TLS cannot be set up from \(names.joined(separator: ", ")): \(error)")
    }
  }
}
