/// Writes what the proto files say of messages, fields, enums, values and methods, for documents that are made from
/// descriptors.
struct CommentWriter {
  private let name: String
  private let files: [ProtoFile]

  init(_ name: String, _ files: [ProtoFile]) {
    self.name = name
    self.files = files
  }

  func write(_ writer: inout SourceWriter) {
    writer.line("/// The comments of the proto files.")
    writer.block("package enum \(name)Comments") { writer in
      writer.line("/// Lines of a full name, a space and its comment, whose paragraphs are parted by ` \\ `.")
      writer.line("package static let text: StaticString = #\"\"\"")
      writer.indented { writer in
        for (fullName, comment) in files.flatMap(comments) where !comment.isEmpty {
          writer.line("\(fullName) \(comment)")
        }
        writer.line("\"\"\"#")
      }
    }
  }

  private func comments(_ file: ProtoFile) -> [(String, String)] {
    file.services.flatMap { service in
      [(service.fullName, flat(service.comment))]
        + service.methods.map { ("\(service.fullName).\($0.name)", flat($0.comment)) }
    } + file.messages.flatMap(comments) + file.enums.flatMap(comments)
  }

  private func comments(_ message: ProtoMessage) -> [(String, String)] {
    [(message.fullName, flat(message.comment))]
      + message.fields.map { ("\(message.fullName).\($0.name)", flat($0.comment)) }
      + message.messages.flatMap(comments) + message.enums.flatMap(comments)
  }

  private func comments(_ type: ProtoEnumType) -> [(String, String)] {
    [(type.fullName, flat(type.comment))] + type.values.map { ("\(type.fullName).\($0.name)", flat($0.comment)) }
  }

  /// A comment in one line; an empty line in it, which parts paragraphs, becomes ` \ `.
  private func flat(_ comment: String) -> String {
    let lines = comment.split(separator: "\n", omittingEmptySubsequences: false).map { line in
      line.split(separator: " ").joined(separator: " ")
    }
    var paragraphs: [[String]] = [[]]
    for line in lines {
      if line.isEmpty { paragraphs.append([]) } else { paragraphs[paragraphs.count - 1].append(line) }
    }
    return paragraphs.filter { !$0.isEmpty }.map { $0.joined(separator: " ") }.joined(separator: " \\ ")
  }
}
