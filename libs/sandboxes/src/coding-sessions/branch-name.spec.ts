import { newBranchName } from './branch-name.js';

it.each([
  ['Ada Lovelace', 'ada', 'al'],
  ['Ada King Lovelace', 'ada', 'ak'],
  ['Émile', 'x', 'e'],
  ['  Ada  ', 'x', 'a'],
  ['李 四', 'lisi', 'li'],
  ['', 'ada', 'ad'],
  [null, 'a', 'a'],
  [null, '..', 'nb'],
  [null, '~^ä', 'a'],
])('%j, %j begins with %s', (displayName, userName, initials) => {
  const name = newBranchName({ displayName, userName });
  expect(name).toMatch(/^[a-z0-9]{1,2}\/[0-9a-f]{8}$/);
  expect(name.split('/')[0]).toBe(initials);
});
