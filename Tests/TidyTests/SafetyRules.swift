extension Rule {
  /// Targets that fence C objects or belong to an event loop.
  private static let unchecked: Set<String> = [
    "EventLoop", "Crypto", "Protobuf", "HTTP2", "RPC", "Postgres", "Outbound", "Mail", "ServiceKit",
  ]

  static let safety: [Rule] = [
    .aboutCode("nothing is public") { _, _, line in
      isPublic(line) ? "is public" : nil
    },
    .aboutCode("no error is met with a crash") { _, _, line in
      if line.contains("try!") { return "try!" }
      if line.contains("as!") { return "as!" }
      return SwiftCode.contains(line, word: "fatalError(") ? "fatalError" : nil
    },
    .aboutCode("sharing is unchecked only at the fences, and with a reason", in: .sources) {
      file, index, line in
      guard line.contains("@unchecked") || line.contains("nonisolated(unsafe)") else { return nil }
      guard unchecked.contains(file.target) else { return "not in \(file.target)" }
      return hasComment(file, index) ? nil : "has no comment that gives the reason"
    },
    .aboutCode("no test sleeps", in: .tests) { _, _, line in
      let sleeps: [StaticString] = ["Task.sleep", "usleep(", "nanosleep(", "Thread.sleep"]
      return sleeps.contains { SwiftCode.contains(line, word: $0) } ? "sleeps" : nil
    },
  ]

  // As a modifier only: a label may be called so.
  private static func isPublic(_ line: String) -> Bool {
    let others: Set<Substring> = ["static", "final", "indirect", "nonisolated", "mutating", "override", "convenience"]
    let first = line.split(separator: " ").first { !others.contains($0) && !$0.hasPrefix("@") }
    return first == "public" || first == "open" || first?.hasPrefix("public(") == true
  }

  // On the line itself, or above it and above the attributes of the declaration.
  private static func hasComment(_ file: SourceFile, _ index: Int) -> Bool {
    if file.lines[index].contains("//") { return true }
    var above = index - 1
    while above >= 0, file.lines[above].trimmed.hasPrefix("@") { above -= 1 }
    return above >= 0 && file.lines[above].trimmed.hasPrefix("//")
  }
}

extension String {
  /// Without the spaces in front.
  var trimmed: Substring { drop { $0 == " " } }
}
