import { frontMatter } from './front-matter.js';

describe('front matter', () => {
  it.each<[string, object]>([
    [
      '---\nname: pdf\ndescription: Read: write PDFs\n---\n# Body\nname: other',
      { name: 'pdf', description: 'Read: write PDFs' },
    ],
    [
      '\ufeff---\r\nname: "quoted"\r\ndescription: >\r\n  Folded\r\n  text\r\n---\r\n',
      { name: 'quoted', description: 'Folded text' },
    ],
    ['---\nlicense: MIT\nmetadata:\n  name: inner\n---', {}],
    ['# no front matter\nname: x', {}],
    ['---\nname: never closed', {}],
    ['', {}],
  ])('of %j', (text, members) => expect(frontMatter(text)).toEqual(members));
});
