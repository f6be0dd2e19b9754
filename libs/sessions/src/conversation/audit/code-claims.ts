import { absent, judged, type Rule } from './judging.js';

const IMPLEMENTED =
  /(?:^|\b(?:i|we|i've|we've|i have|we have|and|also) (?:also |now |just )*)(?:added|implemented|introduced|created|wrote|defined|exported|extracted) (?:an? |the |new |a new |async |private |public |exported |helper |static |utility )*⟦(\d{1,3})⟧ ?(?:function|method|class|helper|hook|endpoint|component|type|interface|enum|constant|decorator|middleware|parameter|option|field|flag|variable|guard|service)?/gi;
const IDENTIFIER =
  /^(?:async |function |class |def |const |--)?([A-Za-z_$][\w$]*(?:\.[A-Za-z_$][\w$]*)*)(?:\(.{0,80}\))?$/;

/** Code said to be written by name: the name must appear in what some tool was given or answered. */
export const codeRule: Rule = (place) => {
  const asserted = place.sentence.clauses.join(', ');
  const names = [...asserted.matchAll(IMPLEMENTED)].flatMap(([, span]) => {
    const name =
      IDENTIFIER.exec(place.sentence.spans[Number(span)] ?? '')?.[1]
        ?.split('.')
        .at(-1) ?? '';
    // Short or single-word names are as likely words of prose.
    return name.length > 4 && /[a-z][A-Z]|_|^[A-Z][a-z]+[A-Z]/.test(name) ? [name] : [];
  });
  const unknown = names.find((name) => !place.evidence.hasWord(name));
  if (unknown !== undefined) return [judged(place, 'code_claim', absent(place, `contains the name ${unknown}`))];
  return names.length === 0
    ? []
    : [
        judged(place, 'code_claim', {
          verdict: 'verified',
          confidence: 60,
          explanation: `${names.join(', ')} appears in what the tools wrote.`,
        }),
      ];
};
