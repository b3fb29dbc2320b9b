/// Finds many words in a text in one pass over its bytes, whatever a customer wrote (Aho and Corasick).
///
/// The time is linear in the text, and does not grow with the number of words. Words and texts are compared as they
/// are; the caller folds case.
package struct TextMatcher: Sendable {
  private struct Node {
    var edges: [(byte: UInt8, node: Int32)] = []
    /// The node of the longest proper suffix that is a prefix of some word.
    var fallback: Int32 = 0
    /// The nearest node on the way of fallbacks where a word ends; 0: none.
    var nextOutput: Int32 = 0
    /// The number of the word that ends here; -1: none.
    var word: Int32 = -1
  }

  /// Steps from the root by byte: most bytes of a text begin no word.
  private var rootSteps = [Int32](repeating: 0, count: 256)
  private var steps: [Int64: Int32] = [:]
  private var fallbacks: [Int32] = [0]
  private var nextOutputs: [Int32] = [0]
  private var words: [Int32] = [-1]

  /// Prepares the search for words, each with a number of the caller's; empty words are never found.
  package init(_ words: [(word: String, number: Int32)]) {
    var nodes = [Node()]
    for (word, number) in words where !word.isEmpty {
      var current = 0
      for byte in word.utf8 {
        if let next = steps[Self.key(Int32(current), byte)] {
          current = Int(next)
        } else {
          nodes.append(Node())
          let next = Int32(nodes.count - 1)
          nodes[current].edges.append((byte, next))
          steps[Self.key(Int32(current), byte)] = next
          current = Int(next)
        }
      }
      nodes[current].word = number
    }
    link(&nodes)
    for (byte, node) in nodes[0].edges { rootSteps[Int(byte)] = node }
    fallbacks = nodes.map(\.fallback)
    nextOutputs = nodes.map(\.nextOutput)
    self.words = nodes.map(\.word)
  }

  /// Breadth first, so that the fallback of every shorter prefix is known.
  private func link(_ nodes: inout [Node]) {
    var queue = nodes[0].edges.map(\.node)
    var head = 0
    while head < queue.count {
      let node = Int(queue[head])
      head += 1
      for (byte, child) in nodes[node].edges {
        var fallback = nodes[node].fallback
        while fallback != 0, steps[Self.key(fallback, byte)] == nil { fallback = nodes[Int(fallback)].fallback }
        let target = steps[Self.key(fallback, byte)] ?? 0
        nodes[Int(child)].fallback = target
        nodes[Int(child)].nextOutput = nodes[Int(target)].word >= 0 ? target : nodes[Int(target)].nextOutput
        queue.append(child)
      }
    }
  }

  /// Tells the number of every word that stands in the text, each once.
  package func find(in text: String, _ found: (Int32) -> Void) {
    var seen = [Bool](repeating: false, count: words.count)
    var node: Int32 = 0
    for byte in text.utf8 {
      node = step(node, byte)
      var output = words[Int(node)] >= 0 ? node : nextOutputs[Int(node)]
      // Where one has been, all behind it were told already: so the whole is linear.
      while output != 0, !seen[Int(output)] {
        seen[Int(output)] = true
        found(words[Int(output)])
        output = nextOutputs[Int(output)]
      }
    }
  }

  private func step(_ from: Int32, _ byte: UInt8) -> Int32 {
    var node = from
    while node != 0 {
      if let next = steps[Self.key(node, byte)] { return next }
      node = fallbacks[Int(node)]
    }
    return rootSteps[Int(byte)]
  }

  private static func key(_ node: Int32, _ byte: UInt8) -> Int64 { Int64(node) << 8 | Int64(byte) }
}
