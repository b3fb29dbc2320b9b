import EventLoop
import HandoffAPI
import Outbound
import RPC
import ServiceKit

/// `handoff demo`: a ticket goes through the running cluster, and every step is checked.
enum DemoCommand {
  /// Tells the story and prints it.
  ///
  /// - Throws: `OperatorError` that names the step which is not as promised.
  static func run(_ arguments: Arguments, _ console: Console) async throws(OperatorError) {
    let place = try DemoPlace(arguments)
    guard let text = try PrivateFile.read(place.signIns) else {
      throw OperatorError(
        "\(place.signIns) is missing", advice: "The demo signs in as the people of the demo organization.")
    }
    let group: EventLoopGroup
    do {
      group = try EventLoopGroup.start(count: 1)
    } catch {
      throw OperatorError("no event loop: \(error)", advice: "Check: ulimit -n, ulimit -u")
    }
    let client = try DemoClient(
      gateway: place.gateway, edge: place.edge, certificates: place.certificates, group: group)
    let story = DemoStory(client, SignIns(text), mails: place.mails, dooray: place.dooray, console)
    let failure: String?
    do {
      if let url = place.dooray, place.connectsDooray {
        // With TLS at every port, it takes messages where it takes calls.
        try await FakeDoorayConnection(client, SignIns(text), url: url, hookURL: url + FakeDooray.hook).make()
      }
      try await story.tell()
      failure = nil
    } catch {
      failure = words(error)
    }
    await client.close()
    if let failure {
      throw OperatorError(
        "step \(story.stepNumber) (\(story.stepTitle)) is not as it should be: \(failure)",
        advice: place.advice)
    }
    console.line("\nEvery step was as promised.")
  }

  private static func words(_ error: any Error) -> String {
    switch error {
    case let error as DemoFailure: error.message
    case let error as OperatorError: error.message
    case let error as RPCError: "\(error.code): \(error.message)"
    case let error as HTTPFailure: "the edge: \(error.description)"
    default: "\(error)"
    }
  }
}

/// E-mail addresses and passwords from the installation's `sign-ins.txt`.
struct SignIns: Sendable {
  private let passwords: [String: String]

  /// Reads lines of an address, a password and a name; `#` begins a comment.
  init(_ text: String) {
    var passwords: [String: String] = [:]
    for line in text.split(separator: "\n") where !line.hasPrefix("#") {
      let words = line.split(separator: " ")
      if words.count >= 2 { passwords[String(words[0])] = String(words[1]) }
    }
    self.passwords = passwords
  }

  /// The password of `email`.
  func password(of email: String) throws(DemoFailure) -> String {
    guard let password = passwords[email] else {
      throw DemoFailure("sign-ins.txt has no password for \(email)")
    }
    return password
  }
}
