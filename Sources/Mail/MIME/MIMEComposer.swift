internal import CGMime

/// Makes the bytes of a mail with GMime. With ``MIMEReader``, the only files that touch GMime's objects.
///
/// Objects never leave the call that makes them, so calls may run on any threads at the same time.
package enum MIMEComposer {
  /// What went wrong inside GMime.
  package struct Failure: Error {
    /// The step that failed.
    package let step: StaticString
  }

  /// Above this size of text, composing takes longer than a loop should wait and belongs on a pool.
  package static let loopBytesMax = 64 * 1024

  /// Makes a message of two alternative parts in UTF-8, and of its files behind them, lines ended by CRLF.
  ///
  /// - Throws: ``Failure`` when GMime gives up, which means that memory ran out.
  package static func compose(_ mail: OutgoingMail) throws -> [UInt8] {
    startLibrary()
    guard let message = g_mime_message_new(0) else { throw Failure(step: "message") }
    defer { g_object_unref(message) }
    try setAddresses(mail, of: message)
    g_mime_message_set_subject(message, mail.subject, charset)
    guard let date = g_date_time_new_from_unix_utc(gint64(mail.dateSeconds)) else { throw Failure(step: "date") }
    g_mime_message_set_date(message, date)
    g_date_time_unref(date)
    g_mime_message_set_message_id(message, mail.messageID)
    let object = upcast(message)
    if let last = mail.references.last {
      g_mime_object_set_header(object, "In-Reply-To", "<\(last)>", nil)
      let references = mail.shortenedReferences.map { "<\($0)>" }.joined(separator: " ")
      g_mime_object_set_header(object, "References", references, nil)
    }
    g_mime_object_set_header(object, OutgoingMail.ticketHeader, mail.ticket, nil)
    if mail.isAutomatic { g_mime_object_set_header(object, "Auto-Submitted", "auto-generated", nil) }
    try setBody(mail, of: message)
    return try bytes(of: object)
  }

  private static let charset = "UTF-8"

  /// Starts the library once; it stays for the life of the process.
  private static let library: Void = g_mime_init()

  /// Makes GMime ready, once for the process.
  static func startLibrary() { _ = library }

  private static func setAddresses(_ mail: OutgoingMail, of message: UnsafeMutablePointer<GMimeMessage>) throws {
    let all: [(GMimeAddressType, [MailAddress])] = [
      (GMIME_ADDRESS_TYPE_FROM, [mail.from]), (GMIME_ADDRESS_TYPE_REPLY_TO, [mail.replyTo]),
      (GMIME_ADDRESS_TYPE_TO, [mail.to]), (GMIME_ADDRESS_TYPE_CC, mail.cc),
    ]
    for (type, addresses) in all {
      for address in addresses {
        g_mime_message_add_mailbox(
          message, type, address.displayName.isEmpty ? nil : address.displayName, address.address)
      }
      guard let list = g_mime_message_get_addresses(message, type) else { throw Failure(step: "addresses") }
      // Without a charset of its own, a name is written in whichever old one it fits.
      for index in 0..<internet_address_list_length(list) {
        internet_address_set_charset(internet_address_list_get_address(list, index), charset)
      }
    }
  }

  private static func setBody(_ mail: OutgoingMail, of message: UnsafeMutablePointer<GMimeMessage>) throws {
    guard let alternative = g_mime_multipart_new_with_subtype("alternative") else { throw Failure(step: "multipart") }
    defer { g_object_unref(alternative) }
    // Both parts are encoded, so no line of theirs can look like a boundary; a fixed one makes a repeat the same bytes.
    g_mime_multipart_set_boundary(alternative, "=_handoff")
    for (subtype, text) in [("plain", mail.text), ("html", mail.html)] {
      guard let part = g_mime_part_new_with_type("text", subtype) else { throw Failure(step: "part") }
      defer { g_object_unref(part) }
      g_mime_object_set_content_type_parameter(upcast(part), "charset", charset)
      try setContent(text, of: part)
      g_mime_multipart_add(alternative, upcast(part))
    }
    guard !mail.files.isEmpty else {
      g_mime_message_set_mime_part(message, upcast(alternative))
      return
    }
    guard let mixed = g_mime_multipart_new_with_subtype("mixed") else { throw Failure(step: "multipart") }
    defer { g_object_unref(mixed) }
    g_mime_multipart_set_boundary(mixed, "=_handoff_files")
    g_mime_multipart_add(mixed, upcast(alternative))
    for file in mail.files { try add(file, to: mixed) }
    g_mime_message_set_mime_part(message, upcast(mixed))
  }

  private static func add(_ file: OutgoingMail.File, to mixed: UnsafeMutablePointer<GMimeMultipart>) throws {
    guard let part = g_mime_part_new(), let type = g_mime_content_type_parse(nil, file.contentType) else {
      throw Failure(step: "file")
    }
    defer { g_object_unref(part) }
    g_mime_object_set_content_type(upcast(part), type)
    g_object_unref(type)
    g_mime_object_set_disposition(upcast(part), GMIME_DISPOSITION_ATTACHMENT)
    g_mime_part_set_filename(part, file.name)
    if let disposition = g_mime_object_get_content_disposition(upcast(part)) {
      encode("filename", in: g_mime_content_disposition_get_parameters(disposition))
    }
    // Old programs look here.
    if let type = g_mime_object_get_content_type(upcast(part)) {
      encode("name", in: g_mime_content_type_get_parameters(type))
    }
    try setContent(file.bytes, of: part)
    g_mime_multipart_add(mixed, upcast(part))
  }

  /// Has a name written after RFC 2231, in UTF-8 and not in whichever old charset it fits.
  private static func encode(_ name: String, in list: UnsafeMutablePointer<GMimeParamList>?) {
    guard let list, let parameter = g_mime_param_list_get_parameter(list, name) else { return }
    g_mime_param_set_charset(parameter, charset)
    g_mime_param_set_encoding_method(parameter, GMIME_PARAM_ENCODING_METHOD_RFC2231)
  }

  private static func setContent(_ text: String, of part: UnsafeMutablePointer<GMimePart>) throws {
    // RFC 2045 (6.8): text is brought into lines that end with CRLF before base64 hides them.
    var bytes: [UInt8] = []
    bytes.reserveCapacity(text.utf8.count + text.utf8.count / 16)
    for byte in text.utf8 {
      if byte == UInt8(ascii: "\n") { bytes.append(UInt8(ascii: "\r")) }
      bytes.append(byte)
    }
    try setContent(bytes, of: part)
  }

  private static func setContent(_ bytes: [UInt8], of part: UnsafeMutablePointer<GMimePart>) throws {
    // The stream copies the bytes.
    let stream = bytes.withUnsafeBytes { buffer in
      g_mime_stream_mem_new_with_buffer(buffer.baseAddress?.assumingMemoryBound(to: CChar.self), buffer.count)
    }
    guard let stream else { throw Failure(step: "stream") }
    defer { g_object_unref(stream) }
    guard let content = g_mime_data_wrapper_new_with_stream(stream, GMIME_CONTENT_ENCODING_DEFAULT) else {
      throw Failure(step: "content")
    }
    defer { g_object_unref(content) }
    g_mime_part_set_content(part, content)
    g_mime_part_set_content_encoding(part, GMIME_CONTENT_ENCODING_BASE64)
  }

  private static func bytes(of object: UnsafeMutablePointer<GMimeObject>) throws -> [UInt8] {
    guard let options = g_mime_format_options_new() else { throw Failure(step: "options") }
    defer { g_mime_format_options_free(options) }
    g_mime_format_options_set_newline_format(options, GMIME_NEWLINE_FORMAT_DOS)
    guard let output = g_byte_array_new() else { throw Failure(step: "output") }
    defer { g_byte_array_unref(output) }
    guard let stream = g_mime_stream_mem_new_with_byte_array(output) else { throw Failure(step: "stream") }
    defer { g_object_unref(stream) }
    // The array is ours; left to itself, the stream would free it.
    UnsafeMutableRawPointer(stream).withMemoryRebound(to: GMimeStreamMem.self, capacity: 1) {
      g_mime_stream_mem_set_owner($0, 0)
    }
    guard g_mime_object_write_to_stream(object, options, stream) >= 0 else { throw Failure(step: "write") }
    return Array(UnsafeBufferPointer(start: output.pointee.data, count: Int(output.pointee.len)))
  }

  /// GObject's inheritance: every class of GMime's used here begins with its parent's fields, `GMimeObject` at the
  /// root.
  private static func upcast<Class>(_ object: UnsafeMutablePointer<Class>) -> UnsafeMutablePointer<GMimeObject> {
    UnsafeMutableRawPointer(object).assumingMemoryBound(to: GMimeObject.self)
  }
}
