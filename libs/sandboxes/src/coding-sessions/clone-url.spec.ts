import { CloneHosts } from './clone-url.js';

const hosts = new CloneHosts(
  'github.com, Git.Example.org, git.corp.example:8443, git.corp.example:443',
  'http://localhost:8080',
);

it.each([
  'https://github.com/octo/repo',
  'https://git.example.org/a/b.git',
  'https://GITHUB.com/octo/repo',
  'https://git.corp.example:8443/a/b',
  'https://git.corp.example:443/a/b',
  'http://localhost:8080/alice/repo.git',
])('%s may be cloned', (url) => {
  expect(hosts.check(url, 'cloneUrl')).toBe(new URL(url).href);
});

it.each([
  '',
  'github.com/octo/repo',
  'http://github.com/octo/repo',
  'ssh://github.com/octo/repo',
  'file:///etc/passwd',
  'ext::sh -c id',
  '--upload-pack=id',
  'https://github.com',
  'https://github.com/octo/',
  'https://github.com:8443/octo/repo',
  'https://git.corp.example:8444/a/b',
  'https://user@github.com/octo/repo',
  'https://user:pass@github.com/octo/repo',
  'https://github.com.evil.example/octo/repo',
  'https://evil.example/github.com/octo',
  'https://notgithub.com/octo/repo',
  'https://github.com/octo/repo?x=1',
  'https://github.com/octo/repo#x',
  'http://localhost:8081/alice/repo.git',
  'https://127.0.0.1/a/b',
  `https://github.com/${'x'.repeat(2_000)}`,
])('%s may not be cloned', (url) => {
  expect(() => hosts.check(url, 'cloneUrl')).toThrow(expect.objectContaining({ field: 'cloneUrl' }));
});
