import Glibc
import PersonalData

/// Bytes of text that one core looks through in a second.
enum DetectionBench {
  private static let texts = [
    ("Korean text", "안녕하세요. 지난주에 주문한 세탁기에서 물이 새요. 배송은 2024-05-01에 받았고 3번 돌렸는데 아래로 물이 나왔습니다.\n"),
    ("Korean text without numbers", "안녕하세요. 지난주에 주문한 세탁기에서 물이 새요. 빠른 확인 부탁드립니다. 감사합니다.\n"),
    (
      "English text", "Hello, the washer that I ordered last week leaks. It came on 2024-05-01 and ran 3 times since.\n"
    ),
    ("text full of personal data", "연락처는 010-0000-1234이고 메일은 hong@example.com 입니다. 확인 부탁드려요.\n"),
    ("nothing but digits", "0101-2345-6789 1234 "),
  ]

  static func run(rounds: Int) {
    let own = (try? TextPattern("MB-######")).map { PersonalDataScanner(patterns: [$0]) }
    for _ in 0..<rounds {
      for (name, line) in texts { measure(name, line, PersonalDataScanner()) }
      if let own { measure("Korean text with a pattern of the service", texts[0].1, own) }
    }
  }

  private static func measure(_ name: String, _ line: String, _ scanner: PersonalDataScanner) {
    // As long as an inquiry may be, again and again: caches are as warm as in a busy daemon.
    let text = String(repeating: line, count: max(1, 15_000 / line.utf8.count))
    let count = 100
    var found = 0
    let began = cpuSeconds()
    for _ in 0..<count { found += scanner.findings(in: text).count }
    let seconds = cpuSeconds() - began
    guard found >= 0 else { return }
    print("detect \(name) \(Double(text.utf8.count * count) / seconds / 1e6)")
  }

  private static func cpuSeconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }
}
