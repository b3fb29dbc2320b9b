import EventLoop
import Outbound

/// `handoff probe`: one GET, for health checks and scripts of containers that have no curl.
enum ProbeCommand {
  private static let limit = Duration.seconds(4)

  /// Asks the URL once and prints the answer.
  ///
  /// - Throws: `OperatorError` with what is missing unless the answer is 200.
  static func run(_ arguments: Arguments, _ console: Console) async throws(OperatorError) {
    guard let url = arguments.texts[.url] else {
      throw .usage("probe needs --url", advice: "For example: handoff probe --url http://127.0.0.1:7201/readyz")
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
}
