import FoundationEssentials
import Glibc

/// The whole result, for people and for programs.
struct ComparisonReport: Encodable {
  let rounds: Int
  let seconds: Double
  let warmup: Double
  let works: [ComparedResult]
  var figures: [OwnFigure] = []
  var growth: GrowthResult?
  /// Works that are shown in the table of growth alone.
  var onlyGrowing: Set<String> = []
  let processors = sysconf(Int32(_SC_NPROCESSORS_ONLN))
  /// The processor's name as the kernel has it; empty when it has none.
  let processor = Self.processorName

  private enum CodingKeys: CodingKey {
    case rounds, seconds, warmup, works, figures, growth, processors, processor
  }

  var isRight: Bool {
    works.allSatisfy(\.isRight) && figures.allSatisfy { $0.fault == nil }
      && growth?.logs.allSatisfy { $0.fault == nil } ?? true
  }

  private static var processorName: String {
    let lines = readFile("/proc/cpuinfo").split(separator: "\n")
    let line = lines.first { $0.hasPrefix("model name") }
    return line?.split(separator: ":").last.map { String($0.drop { $0 == " " }) } ?? ""
  }

  func json() throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    return String(decoding: try encoder.encode(self), as: UTF8.self) + "\n"
  }

  /// The conditions, in a sentence for tables and charts.
  var conditions: String {
    let times = rounds == 1 ? "1 round" : "\(rounds) rounds"
    return "\(times) of \(decimal(seconds)) s after \(decimal(warmup)) s of warm-up; "
      + "\(processors) processors, the load beside the server"
  }

  var table: String {
    let shown = works.filter { !onlyGrowing.contains($0.name) }
    let tables = shown.map { WorkTable(result: $0).text }
    let parts = tables + [ownTable, growth?.table].compactMap { $0 }
    return conditions + "\n" + parts.map { "\n" + $0 }.joined()
  }

  private var ownTable: String? {
    guard !figures.isEmpty else { return nil }
    let rows = figures.map { figure in
      [
        figure.name, figure.text, figure.goalText,
        figure.fault.map { "WRONG: \($0)" } ?? figure.met.map { $0 ? "met" : "missed" } ?? "",
      ]
    }
    return TextColumns(head: ["OURS ALONE", "FIGURE", "GOAL", ""], numbers: []).text(rows)
  }
}

/// One work as a table, with its goals below.
struct WorkTable {
  let result: ComparedResult

  var text: String {
    let columns = TextColumns(
      head: [
        "CONTESTANT", "\(result.unit.uppercased())/S", "SPREAD", "OURS", "P50 MS", "P99 MS",
        "SERVER µS", "WHAT A REPLY PROMISES",
      ], numbers: [1, 3, 4, 5, 6])
    return result.title + "\n" + columns.text(result.contestants.map(row)) + goals
  }

  private func row(_ contestant: ContestantResult) -> [String] {
    guard let rate = contestant.median(.rate), let spread = contestant.spread else {
      return [contestant.name, "skipped", contestant.skipped ?? "", "", "", "", "", ""]
    }
    let own = result.contestants.first?.median(.rate) ?? 0
    let faults = contestant.samples.flatMap(\.faults)
    let remark = faults.first.map { "WRONG: \($0)" } ?? contestant.promise
    return [
      contestant.name, grouped(rate), "\(grouped(spread.0))–\(grouped(spread.1))",
      rate > 0 ? decimal(own / rate) + "x" : "", text(contestant.median(.p50)),
      text(contestant.median(.p99)), contestant.median(.serverMicroseconds).map(decimal) ?? "",
      contestant.skipped.map { "\(remark); then: \($0)" } ?? remark,
    ]
  }

  private func text(_ milliseconds: Double?) -> String { milliseconds.map { fixed($0, 3) } ?? "" }

  private var goals: String {
    result.goals.map { goal in
      let outcome = goal.met.map { $0 ? "met" : "missed" } ?? "not measured"
      let value = goal.measured.map { ": " + ($0 < 1000 ? decimal($0) : grouped($0)) } ?? ""
      return "  goal  \(goal.text)\(value) — \(outcome)\n"
    }.joined()
  }
}

/// Columns that are as wide as what stands in them.
struct TextColumns {
  let head: [String]
  /// Those that are aligned to the right.
  let numbers: Set<Int>

  func text(_ rows: [[String]]) -> String {
    // What was skipped has its reason over several columns.
    let measured = rows.filter { $0.count < 2 || $0[1] != "skipped" }
    let widths = head.indices.map { column in
      ([head] + measured).map { $0[column].count }.max() ?? 0
    }
    return ([head] + rows).map { row in
      let cells = row.indices.map { column -> String in
        let padding = String(repeating: " ", count: max(0, widths[column] - row[column].count))
        return numbers.contains(column) ? padding + row[column] : row[column] + padding
      }
      var line = cells.joined(separator: "  ")
      while line.last == " " { line.removeLast() }
      return line + "\n"
    }.joined()
  }
}

/// A whole number with its thousands apart: 1,060,000.
func grouped(_ value: Double) -> String {
  let digits = Array(fixed(value, 0))
  var text = ""
  for (index, digit) in digits.enumerated() {
    if index > 0, (digits.count - index).isMultiple(of: 3) { text.append(",") }
    text.append(digit)
  }
  return text
}
