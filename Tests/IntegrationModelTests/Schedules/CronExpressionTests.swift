import IntegrationModel
import Testing

@Suite struct CronExpressionTests {
  @Test(
    "Numbers, names, ranges, steps, lists and short forms are read",
    arguments: [
      ("0 0 * * *", "@daily"), ("0 0 * * *", "@midnight"), ("0 * * * *", "@hourly"),
      ("0 0 * * 0", "@weekly"), ("0 0 1 * *", "@monthly"), ("0 0 1 1 *", "@yearly"),
      ("0 0 1 1 *", "@ANNUALLY"), ("0 0 * jan mon", "0 0 * 1 1"), ("0 0 * * 7", "0 0 * * SUN"),
      ("0 0 * * FRI-SUN", "0 0 * * 5,6,0"), ("0-59/15 * * * *", "0,15,30,45 * * * *"),
      ("5/20 * * * *", "5,25,45 * * * *"), ("\t0  0 *\t* 1-5 ", "0 0 * * MON-FRI"),
      ("0 0 1-7,15 * *", "0 0 1,2,3,4,5,6,7,15 * *"), ("0 0-23 * * *", "0 0-23/1 * * *"),
    ])
  func forms(left: String, right: String) throws {
    #expect(try CronExpression(left) == CronExpression(right))
  }

  @Test("What begins with a star is known, for days and for clocks that change")
  func stars() throws {
    let often = try CronExpression("*/15 * * * 1")
    #expect(often.hasAnyMinute && often.isEveryHour && often.hasAnyDayOfMonth)
    #expect(!often.hasAnyDayOfWeek)
    #expect(often.minutes == 1 | 1 << 15 | 1 << 30 | 1 << 45)
    let once = try CronExpression("30 */2 13 * *")
    #expect(!once.hasAnyMinute && !once.isEveryHour && !once.hasAnyDayOfMonth)
  }

  @Test(
    "A wrong field is named with its place and what was expected",
    arguments: [
      ("60 * * * *", "field minute, at character 1: expected 0 to 59; it is 60"),
      ("0 24 * * *", "field hour, at character 3: expected 0 to 23; it is 24"),
      ("0 0 0 * *", "field day of month, at character 5: expected 1 to 31; it is 0"),
      ("0 0 * 13 *", "field month, at character 7: expected 1 to 12; it is 13"),
      ("0 0 * * 8", "field day of week, at character 9: expected 0 to 7; it is 8"),
      ("5-1 * * * *", "field minute, at character 3: expected a range that rises"),
      ("*/0 * * * *", "field minute, at character 3: expected a step from 1"),
      ("*/99 * * * *", "field minute, at character 3: expected a step from 1 to 59; it is 99"),
      ("1, * * * *", "field minute, at character 3: expected *, a number from 0 to 59"),
      ("1x * * * *", "field minute, at character 2: expected \",\", \"-\", \"/\""),
      ("0 0 * FEBR *", "field month, at character 7: expected *, a number from 1 to 12 or a name"),
      ("99999999999999999999 * * * *", "expected 0 to 59"),
      ("* * * *", "expected five fields"), ("", "expected five fields"),
      ("0 * * * * *", "seconds and years are not taken"), ("@noon", "it begins with @noon"),
      ("@daily 1", "alone"), ("0 0 30 2 *", "it never fires"), ("0 0 31 4,6,9,11 *", "never"),
      (String(repeating: "1,", count: 400), "at most 512 bytes"),
    ])
  func problems(text: String, part: String) throws {
    let problem = try #require(throws: CronProblem.self) { try CronExpression(text) }
    #expect(problem.description.contains(part), "\(problem)")
  }

  @Test("What fires rarely is taken: a leap day, and a weekday beside an impossible day")
  func rare() throws {
    _ = try CronExpression("0 0 29 2 *")
    _ = try CronExpression("0 0 30 2 1")
    _ = try CronExpression("0 0 29 2 */7")
  }

  @Test("Every text of random characters is read or refused, and never ends the program")
  func randomTexts() {
    var random = RandomNumbers(seed: 7)
    let letters = Array("0123456789*,-/ @JANMONsund\u{0}é".unicodeScalars)
    for _ in 0..<20_000 {
      var text = ""
      for _ in 0..<Int.random(in: 0...24, using: &random) {
        text.unicodeScalars.append(letters[Int.random(in: 0..<letters.count, using: &random)])
      }
      _ = try? CronExpression(text)
    }
  }

  @Test("The calendar agrees with itself over 800 years")
  func calendar() {
    var weekday = CivilTime.weekday(days: -146_097)
    for days in Int64(-146_097)...146_097 {
      let date = CivilTime(days: days)
      #expect(date.days == days && CivilTime.weekday(days: days) == weekday)
      weekday = (weekday + 1) % 7
    }
    #expect(CivilTime(seconds: -1).rfc3339(offset: -19_800) == "1969-12-31T23:59:59-05:30")
    #expect(Instant(milliseconds: 1_774_746_000_250).utcText == "2026-03-29T01:00:00.250Z")
    #expect(Instant(milliseconds: -1).utcText == "1969-12-31T23:59:59.999Z")
  }
}

/// Numbers that are the same in each run.
struct RandomNumbers: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
    return mixed ^ mixed >> 31
  }
}
