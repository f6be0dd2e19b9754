import { head } from '../bounded-text.js';

/** A sentence of an agent's prose, cut up for the rules. */
export interface Sentence {
  /** As written, in one line. */
  readonly text: string;
  /** With code spans replaced by `⟦n⟧`, so that no word inside them is read as prose. */
  readonly masked: string;
  readonly spans: readonly string[];
  /** The masked clauses that assert something about what is: not planned, doubted, denied or about the past. */
  readonly clauses: readonly string[];
  /** Whether the rest of the message admits failures. */
  readonly admitsFailure: boolean;
}

const MAX_TEXT = 100_000;
const MAX_SENTENCE = 600;
const MAX_SENTENCES = 300;

const NUMBER_WORDS = 'zero one two three four five six seven eight nine ten eleven twelve'.split(' ');

/** A whole sentence about what has not happened, or not yet. */
const NOT_ASSERTED =
  /\?\s*$|^(?:now |next,? |then |first,? |okay,? |ok,? |great,? )?(?:i'?ll|i will|let me|let's|let us|we'?ll|we will|i'?m going to|i am going to|i'?m about to|next,|next i|if |once |unless |assuming |when |to (?:run|verify|test|check|install|fix|do|see|use|start|build|reproduce) |please |you (?:can|should|could|may|need|will|must)|run |should i|shall |want me|would you|do you|try |use |make sure|remember|it should|they should|this should|that should|it would|i would|i'd|i can|i could|i plan|i need|i want|we need|we should|we can|we could|the plan|todo|before i|before we)/i;

/** A clause that takes its statement back, doubts it, puts it off, or is about somebody or some time else. */
const TAKEN_BACK =
  /\b(?:will|'ll|would|should|could|may|might|must|need(?:s|ed)? to|going to|about to|plan(?:s|ned)? to|want(?:s|ed)? to|try(?:ing)? to|tried to|attempt\w*|once|unless|until|assuming|likely|probably|presumably|hopefully|perhaps|maybe|i think|i believe|i expect|i assume|supposed to|expected to|cannot|can't|can not|couldn't|could not|unable|failed to|didn't|did not|haven't|have not|hasn't|has not|hadn't|wasn't|was not|weren't|isn't|is not|aren't|are not|don't|do not|doesn't|does not|won't|never|not yet|not (?:been )?(?:run|able|verified|tested|installed|created)|nothing (?:was|has been)|previously|originally|used to|before (?:the|this|my|that)|earlier|had (?:been|already)|last (?:week|time|month|session|run)|you (?:said|mentioned|created|ran|reported|told|added|wrote|already)|you've|your|the user|user's|upstream|according to|(?:readme|docs?|documentation|comment|ticket|issue|changelog) (?:says?|claims?|states?|mentions?)|claims?|says that|if (?!err|any)|whether|left to do|still (?:to|need)|remains? to|todo|in order to|so that)\b/i;

const FAILURE_WORDS =
  /\b(?:fail(?:s|ed|ing|ures?)?|broken|flaky|red|pre-?existing|errors? (?:remain|left)|does(?:n't| not) pass|do(?:n't| not) pass|not passing|unrelated|except(?: for)?|apart from|other than|skipped|timed? ?out|crash(?:es|ed)?)\b/i;
const HARMLESS_FAILURE_WORDS =
  /\b(?:no|zero|0|without|any|never|longer|previously|was|were|had|that|which|both|the|of the|formerly|once) (?:\w+ ){0,2}?(?:fail(?:ed|ing|ures?|s)?|broken|errors?|red|skipped)\b|\bfix(?:ed|es)? (?:\w+ ){0,4}(?:fail\w*|broken|flaky|errors?|crash\w*)|\b(?:fail\w*|broken|flaky|skipped) (?:tests? )?(?:is|are|was|were|has been|have been) (?:now )?(?:fixed|resolved|gone|passing|green)|\bred to green|\b0 (?:failed|failures?)/gi;

/** Cuts prose into sentences; code blocks, quotes and tables are not prose. Bounded. */
export function sentencesOf(text: string): Sentence[] {
  const prose = head(text, MAX_TEXT).replace(/^ {0,3}(```|~~~)[\s\S]*?(?:^ {0,3}\1|$(?![\s\S]))/gm, '\n');
  const lines = prose
    .split('\n')
    .filter((line) => !/^\s*(?:[>|]|#{1,6} )/.test(line) || /^\s*#{1,6} .*[✅✓]/.test(line));
  const raw = lines.flatMap(splitLine).slice(0, MAX_SENTENCES);
  const admissions = raw.map((sentence) => FAILURE_WORDS.test(sentence.replace(HARMLESS_FAILURE_WORDS, ' ')));
  return raw.map((sentence) => sentenceOf(sentence, admissions.some(Boolean)));
}

/** Ends of sentences: punctuation before white space and a new beginning; dots inside names are no ends. */
function splitLine(line: string): string[] {
  const text = line
    .replace(/^\s*(?:[-*+•]|\d{1,3}[.)]|#{1,6}|\[[ xX]\])\s+/, '')
    .replace(/\*\*|__(?=\S)|(?<=\S)__/g, '');
  return text
    .split(/(?<=[.!?][)"'”’*]?)\s+(?=["'“(*`A-Z✅])|(?<=[;])\s+|\s+[—–]\s+/)
    .map((sentence) => head(sentence.trim(), MAX_SENTENCE))
    .filter((sentence) => sentence.length > 3);
}

function sentenceOf(text: string, admitsFailure: boolean): Sentence {
  const spans: string[] = [];
  const masked = text
    .replace(/`{1,2}([^`]{1,400})`{1,2}/g, (_, span: string) => `⟦${spans.push(span.trim()) - 1}⟧`)
    .replace(/[’]/g, "'")
    .replace(/^[✅✓☑️🎉\s]+/u, '');
  const isAsserted = !NOT_ASSERTED.test(masked);
  return { text, masked, spans, clauses: isAsserted ? clausesOf(masked) : [], admitsFailure };
}

function clausesOf(masked: string): string[] {
  return masked
    .split(
      /,\s+(?!\d{3}\b)|;\s+|:\s+|\s+(?:but|although|though|while|whereas|however|because|since|so|which|after|when)\s+/i,
    )
    .map((clause) => clause.trim())
    .filter((clause) => clause !== '' && !TAKEN_BACK.test(clause));
}

/** A clause with its code spans back in place. */
export const unmasked = (masked: string, spans: readonly string[]): string =>
  masked.replace(/⟦(\d{1,3})⟧/g, (_, index: string) => spans[Number(index)] ?? '');

/** The number a text says in digits or in a word up to twelve; undefined for anything else. */
export function numberIn(text: string | undefined): number | undefined {
  const word = NUMBER_WORDS.indexOf((text ?? '').toLowerCase());
  if (word >= 0) return word;
  return text !== undefined && /^\d[\d,]{0,11}$/.test(text) ? Number(text.replaceAll(',', '')) : undefined;
}

export const NUMBER = String.raw`(?<![\d.,])(\d[\d,]{0,11}(?!\.\d)|${NUMBER_WORDS.slice(1).join('|')})`;
