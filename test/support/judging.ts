import type { ChatRequest } from './peers/llm-requests.js';

/** A judge that comes to one verdict on every claim it is shown. */
export function judging(verdict: string): (request: ChatRequest) => string {
  return ({ messages }) => {
    const [, list = ''] = /<claims>\n([^]*)\n<\/claims>/.exec(String(messages.at(-1)!.content)) ?? [];
    const findings = list.split('\n').map((line) => ({
      message_index: Number.parseInt(line, 10),
      claim: JSON.parse(line.slice(line.indexOf('"'))) as string,
      ...{ verdict, category: 'test_result', confidence: 90, evidence: 'jest', explanation: 'As the run says.' },
      evidence_snippets: [],
    }));
    return JSON.stringify(findings);
  };
}
