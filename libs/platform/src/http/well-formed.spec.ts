import { illFormedAt } from './well-formed.js';

const where = (text: string) => illFormedAt(text, JSON.parse(text));

describe('half a character', () => {
  it('is found wherever it stands', () => {
    expect(where('{"name":"\\ud800"}')).toEqual(['name']);
    expect(where('{"list":[1,{"text":"a\\uDC00b"}]}')).toEqual(['list', 1, 'text']);
    expect(where('{"a":{"\\ud83e":1}}')).toEqual(['a']);
  });

  it('is no whole one, and no text about one', () => {
    expect(where('{"name":"\\ud83e\\udd8a"}')).toBeNull();
    expect(where('{"name":"\\\\ud800"}')).toBeNull();
    expect(where('{"name":"🦊"}')).toBeNull();
  });
});
