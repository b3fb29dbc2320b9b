import Foundation
import Testing

/// Compares a text with a file of the source tree; `HANDOFF_UPDATE_SNAPSHOTS=1` writes the file instead.
func expectSnapshot(
  _ text: String, _ path: String, file: String = #filePath, sourceLocation: SourceLocation = #_sourceLocation
) throws {
  let url = URL(fileURLWithPath: file).deletingLastPathComponent().appendingPathComponent(path).standardized
  if ProcessInfo.processInfo.environment["HANDOFF_UPDATE_SNAPSHOTS"] == "1" {
    try Data(text.utf8).write(to: url)
    return
  }
  let known = try String(contentsOf: url, encoding: .utf8)
  let isSame = known == text
  #expect(
    isSame, "\(url.lastPathComponent) is not current; look at the change, then run with HANDOFF_UPDATE_SNAPSHOTS=1",
    sourceLocation: sourceLocation)
}
