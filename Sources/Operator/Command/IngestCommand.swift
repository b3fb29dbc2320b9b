import EventLoop
import Glibc
import HandoffAPI
import RPC
import ServiceKit

/// `handoff ingest`: hands one mail to the running cluster, for the pipe of a mail server.
enum IngestCommand {
  /// What `--help` says after the options.
  static let help = """
    Reads the mail from standard input and prints what became of it. For a mail server's pipe, such as Postfix's:

      handoff unix - n n - 4 pipe flags=DR user=handoff
        argv=/usr/bin/handoff ingest --data=/srv/handoff --service=care --recipient=${recipient}

    Ends with the codes of sysexits.h, as mail servers expect: 0 when the mail is stored, even when an agent has to look
    at it; 65 when it is empty or too large, and 67 when there is no such service, so that its sender is told; 64 when
    this command line is wrong; 75 when it could not be stored now, whatever the reason, and is to be handed over again.

    """

  private static let messageBytesMax = 36 << 20
  private static let chunkBytes = 256 << 10

  /// Hands over what standard input holds.
  ///
  /// - Throws: `OperatorError` with the exit code that says whether to hand the mail over again.
  static func run(_ arguments: Arguments, _ console: Console) async throws(OperatorError) {
    guard let service = arguments.texts[.service] else {
      throw .usage("--service is missing", advice: "Name the service that the mail is for: --service care")
    }
    let message = try standardInput()
    let taken: InboundMail
    do throws(OperatorError) {
      taken = try await hand(message, for: service, arguments)
    } catch {
      // Whatever is wrong with this machine may be mended, and the mail is not to be lost meanwhile.
      throw error.exitCode == 1 ? .temporary(error.message, advice: error.advice) : error
    }
    let details = [taken.state.protoName ?? "?", taken.reason, taken.ticket].filter { !$0.isEmpty }
    console.line("\(taken.name) \(details.joined(separator: " "))")
  }

  private static func hand(
    _ message: [UInt8], for service: String, _ arguments: Arguments
  ) async throws(OperatorError) -> InboundMail {
    guard let directory = try DataDirectory.existing(arguments.data) else {
      throw OperatorError(
        "there is no cluster in \(DataDirectory.absolutePath(arguments.data))", advice: "See: handoff up")
    }
    guard let port = try ClusterAddresses.ofRunning(directory).port(of: "mail") else {
      throw OperatorError("the address of the mail daemon is not known", advice: "Start the cluster again: handoff up")
    }
    let group: EventLoopGroup
    do {
      group = try EventLoopGroup.start(count: 1)
    } catch {
      throw OperatorError("no event loop: \(error)", advice: "Check: ulimit -n, ulimit -u")
    }
    var configuration = RPCChannelConfiguration()
    configuration.tls = RPCChannelTLS(try directory.certificates.tls(as: ClusterCertificates.operatorName))
    let channel = RPCChannel(group: group, target: .tcp("127.0.0.1", port), configuration: configuration)
    let header = IngestMessageRequest.Header(
      parent: "services/\(service)", envelopeRecipients: arguments.texts[.recipient].map { [$0] } ?? [])
    let answer = await hand(message, header, to: MailServiceClient(channel))
    await channel.close()
    return try answer.get()
  }

  private static func hand(
    _ message: [UInt8], _ header: IngestMessageRequest.Header, to mail: MailServiceClient
  ) async -> Result<InboundMail, OperatorError> {
    do {
      let taken = try await mail.ingestMessage(.timeout(.seconds(120))) { writer in
        try await writer.send(IngestMessageRequest(part: .header(header)))
        var rest = message[...]
        while !rest.isEmpty {
          let piece = rest.prefix(chunkBytes)
          rest = rest.dropFirst(piece.count)
          try await writer.send(IngestMessageRequest(part: .chunk(Array(piece))))
        }
      }
      return .success(taken)
    } catch let error as RPCError {
      switch ServiceError(error).reason {
      case .serviceNotFound:
        return .failure(
          .noUser("the mail is not taken: there is no service \(header.parent)", advice: "Check --service."))
      case .requestInvalid, .bodyTooLarge:
        return .failure(.refused("the mail is not taken: \(error.message)", advice: ""))
      default:
        return .failure(.temporary("the mail cannot be stored now: \(error.message)", advice: "See: handoff doctor"))
      }
    } catch {
      return .failure(.temporary("the mail cannot be stored now: \(error)", advice: "See: handoff doctor"))
    }
  }

  private static func standardInput() throws(OperatorError) -> [UInt8] {
    var message: [UInt8] = []
    var room = [UInt8](repeating: 0, count: chunkBytes)
    while true {
      let count = read(STDIN_FILENO, &room, room.count)
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw .temporary("standard input cannot be read: \(errorText(errno))", advice: "") }
      if count == 0 { break }
      message += room.prefix(count)
      guard message.count <= messageBytesMax else {
        throw .refused(
          "the mail is larger than \(messageBytesMax >> 20) MB", advice: "Its sender can send it in parts.")
      }
    }
    guard !message.isEmpty else {
      throw .refused(
        "there is no mail", advice: "It is read from standard input: handoff ingest --service care < mail")
    }
    return message
  }
}
