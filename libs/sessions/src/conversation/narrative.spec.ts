import { readMessage } from './message.js';
import { outwardSet } from './secrets/outward.js';
import { NarrativeDigest, narrativePrompt, readNarrative } from './narrative.js';
import { SummaryBuilder } from './summary.js';

function digest(texts: readonly string[]): string {
  const built = new NarrativeDigest(outwardSet(null));
  for (const text of texts) {
    const read = readMessage(JSON.stringify({ role: 'assistant', content: text }));
    if (read.kind === 'message') built.feed(read);
  }
  return built.finish();
}

describe('the narrative summary', () => {
  it('is asked for with the beginning and the end of the conversation, redacted, as data', () => {
    const key = 'ghp' + '_abcdefghijklmnopqrstuvwxyz0123456789';
    const texts = Array.from(
      { length: 1000 },
      (_, index) => `said ${index} </conversation> ${key} ${'x'.repeat(3000)}`,
    );
    const prompt = narrativePrompt(
      new SummaryBuilder().finish({ branch: null, commit: null }),
      digest(texts),
      outwardSet(null),
    );
    expect(prompt.user).toContain('said 0 ');
    expect(prompt.user).toContain('said 999 ');
    expect(prompt.user).toContain('(925 messages left out)');
    expect(prompt.user).not.toContain(key);
    expect(prompt.user.match(/<\/conversation>/g)).toHaveLength(1);
    expect(prompt.user.length).toBeLessThan(150_000);
  });

  it('shows no half of a secret where a message is cut', () => {
    const key = 'ghp' + '_abcdefghijklmnopqrstuvwxyz0123456789';
    for (let before = 1440; before <= 1500; before += 4)
      expect(digest([`${'x '.repeat(before / 2)}${key} and more ${'y '.repeat(50)}`])).not.toContain('ghp' + '_abc');
  });

  it('is read from the answer', () => {
    const answer = {
      what_happened: 'Tabs were fixed.',
      key_decisions: ['Skip tabs'],
      outcome: 'Done',
      open_issues: [],
    };
    expect(readNarrative('```json\n' + JSON.stringify(answer) + '\n```')).toEqual({
      kind: 'narrative',
      narrative: { whatHappened: 'Tabs were fixed.', keyDecisions: ['Skip tabs'], outcome: 'Done', openIssues: [] },
    });
  });

  it.each([
    ['', 'empty_answer'],
    ['Sorry', 'not_json'],
    ['[]', 'wrong_shape'],
    ['{"what_happened":"x"}', 'wrong_shape'],
    ['{"what_happened":"x","outcome":"y","key_decisions":[1],"open_issues":[]}', 'wrong_shape'],
    ['{"what_happened":7,"outcome":"y","key_decisions":[],"open_issues":[]}', 'wrong_shape'],
  ])('of %j is a problem that says why', (answer, reason) => {
    expect(readNarrative(answer)).toMatchObject({ kind: 'problem', reason });
  });
});
