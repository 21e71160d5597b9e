import IntegrationModel
import Testing

@Suite struct ClockDoubtTests {
  private static let day = ClockDoubt.lastsMs

  @Test("A night's rest and small steps are believed")
  func believed() {
    var doubt = ClockDoubt()
    let steps: [Int64] = [
      60_000, -60_000, 28_800_000, ClockDoubt.doubtfulMs, -400 * Self.day,
    ]
    for step in steps {
      doubt.stepped(byMs: step)
      #expect(!doubt.isDoubtful && doubt.aheadMs == 0, "a step of \(step) ms")
    }
  }

  @Test("A step of more than two days is doubted for a day of running")
  func doubted() {
    var doubt = ClockDoubt()
    doubt.stepped(byMs: ClockDoubt.doubtfulMs + 1)
    #expect(doubt.isDoubtful)
    doubt.passed(ms: Self.day - 1)
    doubt.stepped(byMs: 700)
    #expect(doubt.isDoubtful && doubt.leftMs == 1, "a small step begins no doubt anew")
    doubt.passed(ms: 1)
    #expect(!doubt.isDoubtful && doubt.aheadMs == 0)
  }

  @Test("A clock that is set back about to where it was is believed at once")
  func setBack() {
    var doubt = ClockDoubt()
    doubt.stepped(byMs: 365 * Self.day)
    doubt.stepped(byMs: -100 * Self.day)
    #expect(doubt.isDoubtful && doubt.aheadMs == 265 * Self.day)
    doubt.stepped(byMs: -264 * Self.day)
    #expect(doubt == ClockDoubt())
  }

  @Test("Steps at the ends of the range and spans that run backwards do no harm")
  func extremes() {
    var doubt = ClockDoubt()
    doubt.stepped(byMs: .max)
    doubt.stepped(byMs: .max)
    #expect(doubt.aheadMs == .max && doubt.isDoubtful)
    doubt.passed(ms: .min)
    #expect(doubt.leftMs == Self.day)
    doubt.stepped(byMs: .min)
    #expect(!doubt.isDoubtful)
    #expect(!ClockDoubt(aheadMs: 5, leftMs: .min).isDoubtful)
  }
}
