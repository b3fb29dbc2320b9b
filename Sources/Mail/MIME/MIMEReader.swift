internal import CGMime
package import EventLoop
import TicketLedger

/// Reads the bytes of a mail with GMime. With ``MIMEComposer``, the only files that touch GMime's objects.
///
/// Objects never leave the call that makes them, so calls may run on any threads at the same time. A call takes time in
/// the length of the mail and belongs on a pool when that is large.
package enum MIMEReader {
  /// Above this size of a message, reading takes longer than a loop should wait.
  package static let loopBytesMax = 64 * 1024

  /// Reads a message. Whatever is broken in it is read as well as it goes; only what exceeds a limit is refused.
  ///
  /// - Throws: ``ParseFailure``.
  package static func read(
    _ message: [UInt8], limits: ParseLimits = ParseLimits(), deadline: Deadline = .after(.seconds(60))
  ) throws(ParseFailure) -> IncomingMail {
    guard message.count <= limits.messageBytesMax else { throw .tooLarge }
    guard MessageHead.byteCount(of: message, atMost: limits.headerBytesMax) != nil else { throw .headerTooLarge }
    MIMEComposer.startLibrary()
    guard let parsed = parse(message) else { throw .notAMessage }
    defer { g_object_unref(parsed) }
    var walk = PartWalk(limits: limits, deadline: deadline)
    try readHeaders(of: parsed, into: &walk)
    if let root = g_mime_message_get_mime_part(parsed) {
      walk.mail.contentType = PartWalk.mediaType(of: root)
      // GMime keeps these with the part.
      if let type = g_mime_object_get_header(root, "Content-Type") {
        walk.mail.headers.append(
          IncomingMail.Header(name: "content-type", value: PartWalk.line(String(cString: type))))
      }
      try walk.take(root, depth: 0)
    }
    guard !walk.mail.headers.isEmpty else { throw .notAMessage }
    walk.finish()
    return walk.mail
  }

  private static func parse(_ message: [UInt8]) -> UnsafeMutablePointer<GMimeMessage>? {
    let stream = message.withUnsafeBytes { buffer in
      g_mime_stream_mem_new_with_buffer(buffer.baseAddress?.assumingMemoryBound(to: CChar.self), buffer.count)
    }
    guard let stream else { return nil }
    defer { g_object_unref(stream) }
    guard let parser = g_mime_parser_new_with_stream(stream) else { return nil }
    defer { g_object_unref(parser) }
    g_mime_parser_set_format(parser, GMIME_FORMAT_MESSAGE)
    // Contents stay where they are in the stream instead of being copied.
    g_mime_parser_set_persist_stream(parser, 1)
    return g_mime_parser_construct_message(parser, nil)
  }

  private static func readHeaders(
    of message: UnsafeMutablePointer<GMimeMessage>, into walk: inout PartWalk
  ) throws(ParseFailure) {
    let object = UnsafeMutableRawPointer(message).assumingMemoryBound(to: GMimeObject.self)
    if let list = g_mime_object_get_header_list(object) {
      let count = g_mime_header_list_get_count(list)
      guard count <= walk.limits.headersMax else { throw .headerTooLarge }
      for index in 0..<count {
        guard let header = g_mime_header_list_get_header_at(list, index), let name = g_mime_header_get_name(header)
        else { continue }
        let value = EncodedWords.decoded(PartWalk.bytes(g_mime_header_get_raw_value(header)))
        walk.mail.headers.append(
          IncomingMail.Header(
            name: String(cString: name).lowercased(),
            value: PartWalk.line(value, bytesMax: IncomingMail.Header.valueBytesMax)))
      }
    }
    walk.mail.subject = walk.mail.header("subject") ?? ""
    walk.mail.messageID = g_mime_message_get_message_id(message).map { PartWalk.line(String(cString: $0)) } ?? ""
    walk.mail.from = walk.mailboxes(in: object, "From").kept
    let to = walk.mailboxes(in: object, "To")
    let cc = walk.mailboxes(in: object, "Cc")
    walk.mail.to = to.kept
    walk.mail.cc = cc.kept
    walk.mail.recipientCount = to.count + cc.count
    walk.mail.inReplyTo = messageIDs(in: object, "In-Reply-To")
    walk.mail.references = messageIDs(in: object, "References")
  }

  private static func messageIDs(in object: UnsafeMutablePointer<GMimeObject>, _ header: String) -> [String] {
    guard let text = g_mime_object_get_header(object, header), let list = g_mime_references_parse(nil, text) else {
      return []
    }
    defer { g_mime_references_free(list) }
    return (0..<min(g_mime_references_length(list), 200)).compactMap { index in
      g_mime_references_get_message_id(list, index).map { PartWalk.line(String(cString: $0)) }
    }
  }
}

/// The part of a message that is looked at before anything of it is parsed.
package enum MessageHead {
  /// Bytes of the header, its empty line included; nil when it is longer than that. A message without an empty line is
  /// all header.
  package static func byteCount(of message: [UInt8], atMost most: Int) -> Int? {
    var lineStart = 0
    for index in message.indices {
      if index > most { return nil }
      guard message[index] == 0x0A else { continue }
      if index == lineStart || (index == lineStart + 1 && message[lineStart] == 0x0D) { return index + 1 }
      lineStart = index + 1
    }
    return message.count
  }
}
