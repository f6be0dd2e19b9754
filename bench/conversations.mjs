import { gzipSync } from 'node:zlib';
import tar from 'tar-stream';

/** The most frequent words of the made-up conversations: those everybody searches for. */
const FREQUENT =
  `the to a of and in is it that for this on with as be we are not file test error if then function value can from use
  build run server request response change code line user data type return path name call check set get add fix failed
  build branch commit module class method parser index table query cache token session message retry timeout connection
  config option default string number list object array key result handler event worker thread process memory leak
  queue lock schema column migration deploy version release package dependency import export render component button
  style layout page route header body status client socket stream buffer encode decode compress archive upload download
  permission access denied secret password login account tenant organisation member invite review comment merge conflict
  rebase running tests passing failing warning deprecated unexpected undefined cannot property while reading missing`
    .split(/\s+/)
    .filter(Boolean);
const SYLLABLES =
  'ba be bo da de di do fa fe ga ge go ka ke ki ko la le li lo ma me mi mo na ne no pa pe po ra re ri ro sa se so ta te to va ve vo za ze zo'.split(
    ' ',
  );
const VOCABULARY = 20_000;
const BYTES = 100 * 1024;

/** Numbers from 0 to 1, the same for the same seed. */
export function numbersFrom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let value = Math.imul(state ^ (state >>> 15), 1 | state);
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
    return ((value ^ (value >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const tail = Array.from({ length: VOCABULARY }, (_, index) => {
  const random = numbersFrom(index + 1);
  return Array.from({ length: 3 + Math.floor(random() * 3) }, () => pick(SYLLABLES, random)).join('');
});

function pick(list, random) {
  return list[Math.floor(random() * list.length)];
}

/** A few words make up most of a text, as in any language. */
function word(random) {
  return random() < 0.75
    ? FREQUENT[Math.floor(FREQUENT.length * random() ** 2)]
    : tail[Math.floor(tail.length * random() ** 2)];
}

const words = (count, random) => Array.from({ length: count }, () => word(random));
const capital = (text) => text[0].toUpperCase() + text.slice(1);
const inCamelCase = (parts) => parts.map((part, index) => (index === 0 ? part : capital(part))).join('');
/** The names of a code base: some are everywhere. */
const names = (count, make) => {
  const random = numbersFrom(count);
  const list = Array.from({ length: count }, () => make(random));
  return (draw) => list[Math.floor(count * draw() ** 2)];
};
const camel = names(8_001, (random) => inCamelCase(words(3, random)));
const snake = names(8_002, (random) => words(3, random).join('_'));
const filePath = names(4_003, (random) => `src/${word(random)}/${word(random)}/${inCamelCase(words(3, random))}.ts`);
const sentence = (random) => `${capital(words(6 + Math.floor(random() * 12), random).join(' '))}.`;
const codeLine = (random) =>
  `  const ${camel(random)} = await ${camel(random)}(${snake(random)}, '${filePath(random)}', ${Math.floor(random() * 9999)});`;

function lines(count, make, random) {
  return Array.from({ length: count }, () => make(random)).join('\n');
}

const text = (role, content) => ({ role, content: [{ type: 'text', text: content }] });

/** About `bytes` of conversation, as messages; `planted` are texts that stand in the middle of it, one each. */
export function conversation(seed, planted = [], bytes = BYTES) {
  const random = numbersFrom(seed);
  const messages = [];
  let size = 0;
  const add = (message) => {
    messages.push({ msg_id: `m${messages.length}`, ...message });
    size += JSON.stringify(message).length;
  };
  for (let turn = 0; size < bytes; turn += 1) {
    add(text('user', lines(3, sentence, random)));
    const file = filePath(random);
    const id = `call_${turn}`;
    add({ role: 'assistant', content: [{ type: 'tool_use', id, name: 'Read', input: { file_path: file } }] });
    add({ role: 'tool', content: [{ type: 'tool_result', tool_use_id: id, content: lines(30, codeLine, random) }] });
    if (turn === 2)
      for (const plant of planted) add(text('assistant', `${sentence(random)} ${plant} ${sentence(random)}`));
    add(text('assistant', lines(10, sentence, random)));
  }
  return messages;
}

/** What of messages is searched, as one text. */
export function textOf(messages) {
  return messages
    .flatMap(({ content }) => content)
    .map(({ text: plain, content, name, input }) => plain ?? content ?? `[${name}] ${Object.values(input).join('\n')}`)
    .join('\n');
}

/** An archive as the command line makes it. */
export async function archiveOf(title, messages) {
  const pack = tar.pack();
  const manifest = { sfs_version: '0.1.0', title, source: { tool: 'codex' }, model: { model_id: 'demo-1' } };
  pack.entry({ name: 'manifest.json' }, JSON.stringify(manifest));
  pack.entry({ name: 'messages.jsonl' }, messages.map((message) => `${JSON.stringify(message)}\n`).join(''));
  pack.finalize();
  const chunks = [];
  for await (const chunk of pack) chunks.push(chunk);
  return gzipSync(Buffer.concat(chunks), { level: 1 });
}
